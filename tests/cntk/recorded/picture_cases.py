"""Pictures and how they are read. Runs on Python 3.6, with the real CNTK, and on today's, with ours."""

import base64
import os
import struct
import zipfile

import numpy as np

SIZES = {"a": (20, 31), "b": (32, 32), "c": (17, 12), "d": (9, 8)}


def picture(name):
    """Return waves with a little noise, rows x columns x RGB."""
    height, width = SIZES[name]
    noise = np.random.RandomState(ord(name)).randint(-20, 21, (height, width, 3))
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
    waves = [np.sin(rows / (3 + k) + k) * np.cos(columns / (4 - k) - k) for k in range(3)]
    return np.clip(128 + 130 * np.stack(waves, -1) + noise, 0, 255).astype(np.uint8)


def bitmap(pixels):
    """Return a picture as a BMP file of 24 bits, which every decoder reads alike."""
    height, width = pixels.shape[:2]
    pad = bytes(-(3 * width) % 4)
    lines = b"".join(pixels[row, :, ::-1].tobytes() + pad for row in range(height - 1, -1, -1))
    sizes = (40, width, height, 1, 24, 0, len(lines), 2835, 2835, 0, 0)
    return struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 54 + len(lines), 0, 0, 54, *sizes) + lines


def write_files(folder):
    """Write the pictures, an archive of them, means, and lists."""
    for name, (height, width) in SIZES.items():
        with open(os.path.join(folder, name + ".bmp"), "wb") as file:
            file.write(bitmap(picture(name)))
        with open(os.path.join(folder, name + ".xml"), "w") as file:
            numbers = " ".join("%e" % (number % 97) for number in range(3 * height * width))
            file.write(
                '<?xml version="1.0"?>\n<opencv_storage><Channel>3</Channel><Row>%d</Row><Col>%d</Col>'
                '<MeanImg type_id="opencv-matrix"><rows>1</rows><cols>%d</cols><dt>f</dt><data>%s</data></MeanImg>'
                "</opencv_storage>\n" % (height, width, 3 * height * width, numbers)
            )
    with zipfile.ZipFile(os.path.join(folder, "z.zip"), "w") as archive:
        archive.writestr("in/d.bmp", bitmap(picture("d")))
    with open(os.path.join(folder, "bad.bmp"), "w") as file:
        file.write("hello")
    os.mkdir(os.path.join(folder, "lists"))


def one_by_one():
    """Return what is done to single pictures: name, picture, and a function from the transforms to a list of them."""
    found = []
    for kind in ("linear", "nearest", "cubic", "lanczos"):
        for width, height in ((8, 6), (11, 13), (4, 4), (16, 16)):
            for name in "ad":
                size = {"width": width, "height": height, "channels": 3, "interpolations": kind}
                found.append(("scale", name, [("scale", size)]))
                if width < 11:
                    found.append(
                        ("less a mean", name, [("mean", {"filename": name + ".xml"}), ("scale", size)])
                    )
    for mode in ("fill", "crop", "pad"):
        for pad in (-1, 0, 100, 300):
            for name in "ac":
                size = {"width": 8, "height": 6, "channels": 3, "scale_mode": mode, "pad_value": pad}
                found.append(("mode", name, [("scale", size)]))
    for options in (
        {}, {"crop_size": 8}, {"crop_size": (5, 7)}, {"crop_size": (25, 7)}, {"crop_size": (5, 0)}, {"side_ratio": 0.5},
        {"side_ratio": 0.7}, {"area_ratio": 0.3}, {"area_ratio": 1.0}, {"aspect_ratio": 0.5},
        {"side_ratio": 0.5, "aspect_ratio": 0.64}, {"side_ratio": (0.5, 0.9)}, {"side_ratio": 1.0, "aspect_ratio": 0.5},
        {"side_ratio": (0.5, 0.9), "jitter_type": "uniratio"}, {"crop_type": "multiview10", "crop_size": 5},
        {"crop_type": "randomside", "side_ratio": 0.5}, {"crop_type": "randomarea", "area_ratio": 0.5},
        {"crop_type": "randomside", "crop_size": 5}, {"crop_type": "randomside", "area_ratio": 0.5},
        {"crop_type": "randomarea", "area_ratio": (0.2, 0.6), "jitter_type": "uniratio"},
        {"crop_type": "randomside", "side_ratio": 0.5, "aspect_ratio": (0.3, 1.0), "jitter_type": "uniratio"},
        {"crop_type": "randomside", "side_ratio": (0.3, 0.6), "aspect_ratio": (0.3, 1.0), "jitter_type": "uniratio"},
    ):  # fmt: skip
        found.extend(("crop", name, [("crop", options)]) for name in "ad")
    for options in (
        {}, {"brightness_radius": 1.0}, {"contrast_radius": 1.0}, {"saturation_radius": 1.0},
        {"brightness_radius": 0.3, "contrast_radius": 0.4, "saturation_radius": 0.5},
    ):  # fmt: skip
        found.extend([("color", "d", [("color", options)])])
    found.append(
        (
            "other mean",
            "d",
            [("scale", {"width": 4, "height": 4, "channels": 3}), ("mean", {"filename": "d.xml"})],
        )
    )
    return found


SMALL = [("scale", {"width": 4, "height": 3, "channels": 3})]
LISTS = {
    "plain": ("a.bmp\t1\nb.bmp\t3\nc.bmp\t0\n", SMALL), "keys": ("7\ta.bmp\t1\n3\tb.bmp\t2\n", SMALL),
    "same keys": ("7\ta.bmp\t1\n7\tb.bmp\t2\n", SMALL), "four columns": ("7\ta.bmp\t1\t2\n", SMALL),
    "no end of line": ("a.bmp\t1\nb.bmp\t2", SMALL), "carriage returns": ("a.bmp\t1\r\nb.bmp\t2\r\n", SMALL),
    "space behind": ("a.bmp\t1 \n", SMALL), "a part of a number": ("a.bmp\t1.5\n", SMALL),
    "three dots": (".../../a.bmp\t1\n", SMALL), "in an archive": ("z.zip@/in/d.bmp\t1\n", SMALL),
    "one size": ("d.bmp\t1\nd.bmp\t2\n", []), "several sizes": ("a.bmp\t1\nb.bmp\t2\n", []),
    "spaces": ("a.bmp 1\n", SMALL), "no class": ("a.bmp\n", SMALL), "large class": ("a.bmp\t4\n", SMALL),
    "negative class": ("a.bmp\t-1\n", SMALL), "class in words": ("a.bmp\tcat\n", SMALL), "nothing": ("", SMALL),
    "no such file": ("zz.bmp\t1\n", SMALL), "no picture": ("bad.bmp\t1\n", SMALL),
    "blank between": ("a.bmp\t1\n\nb.bmp\t2\n", SMALL), "quotes": ('"a.bmp"\t1\n', SMALL),
    "no such mean": ("a.bmp\t1\n", [("mean", {"filename": "no.xml"})]),
}  # fmt: skip
WRONG = [
    ("crop", {"crop_type": "foo"}), ("crop", {"side_ratio": 1.5}), ("crop", {"side_ratio": -0.5}),
    ("crop", {"side_ratio": (0.9, 0.5)}), ("crop", {"side_ratio": (0.1, 0.2, 0.3)}), ("crop", {"crop_size": "a"}),
    ("crop", {"crop_size": -1}), ("crop", {"aspect_ratio": 0}), ("crop", {"area_ratio": 2}),
    ("crop", {"side_ratio": 0.5, "area_ratio": 0.5}), ("crop", {"side_ratio": 0.5, "jitter_type": "foo"}),
    ("scale", {"width": 0, "height": 3, "channels": 3}), ("scale", {"width": 3, "height": 3, "channels": 0}),
    ("scale", {"width": 3, "height": 3, "channels": 3, "interpolations": "foo"}),
    ("scale", {"width": 3, "height": 3, "channels": 3, "scale_mode": "foo"}),
    ("scale", {"width": 3, "height": 3, "channels": 3, "pad_value": -5}), ("color", {"brightness_radius": 2}),
    ("color", {"saturation_radius": -0.1}),
]  # fmt: skip
TAKEN = [
    {"randomization_seed": 0, "max_sweeps": 2}, {"randomization_seed": 3, "randomization_window_in_chunks": 100},
    {"randomization_window_in_samples": 5, "randomization_window_in_chunks": 0}, {"randomize": False, "max_samples": 25},
    {"randomization_window_in_samples": 100, "randomization_window_in_chunks": 0},
]  # fmt: skip


def _made(C, steps):
    return [getattr(C.io.transforms, name)(**options) for name, options in steps]


def _source(C, path, steps, classes=4, options=None, reader="ImageDeserializer"):
    streams = C.io.StreamDefs(
        x=C.io.StreamDef(field="image", transforms=_made(C, steps)),
        y=C.io.StreamDef(field="label", shape=classes),
    )
    options = {"randomize": False, "max_sweeps": 1} if options is None else options
    return C.io.MinibatchSource(getattr(C.io, reader)(path, streams), **options)


def _content(data):
    """Return the pictures and the classes of a minibatch."""
    found = {stream.m_name: value for stream, value in data.items()}
    return np.asarray(found["x"].asarray(), np.float32)[:, 0], found["y"]


def _classes(C, value, classes):
    variable = C.sequence.input_variable(classes, is_sparse=True)
    return [int(one.toarray().argmax()) for one in value.as_sequences(variable)]


def pixels(C, case, number):
    """Return what becomes of one picture."""
    path = "lists/one%d.txt" % number
    with open(path, "w") as file:
        file.write(case[1] + ".bmp\t1\n")
    return _content(_source(C, path, case[2]).next_minibatch(1))[0][0]


def of_list(C, name):
    """Return how many pictures a list gives, the sums of them and their classes; or which error."""
    text, steps = LISTS[name]
    path = "lists/%s.txt" % name.replace(" ", "_")
    with open(path, "w") as file:
        file.write(text)
    return _tried(lambda: _told(C, _source(C, path, steps).next_minibatch(9)))


def of_text(C, name):
    """Return the same for pictures in text."""
    code = base64.b64encode(bitmap(picture("d"))).decode("ascii")
    lines = {
        "plain": "1\t%s\n", "keys": "5\t1\t%s\n6\t2\t%s\n", "large class": "9\t%s\n", "class in words": "cat\t%s\n",
        "no picture": "1\t!!!!\n", "no columns": "1\n", "carriage returns": "1\t%s\r\n",
    }  # fmt: skip
    path = "lists/text_%s.txt" % name.replace(" ", "_")
    with open(path, "w") as file:
        file.write(lines[name].replace("%s", code))
    return _tried(lambda: _told(C, _source(C, path, [], reader="Base64ImageDeserializer").next_minibatch(9)))


TEXTS = ("plain", "keys", "large class", "class in words", "no picture", "no columns", "carriage returns")


def _told(C, data):
    images, labels = _content(data)
    return [[round(float(one.sum()), 1) for one in images], list(images.shape), _classes(C, labels, 4)]


def _tried(action):
    try:
        return action()
    except (RuntimeError, ValueError) as error:
        return "RuntimeError" if isinstance(error, RuntimeError) else "ValueError"


def wrong(C, number):
    """Return which error a transform that cannot be gives, at the latest when pictures are read."""
    with open("lists/wrong.txt", "w") as file:
        file.write("a.bmp\t1\n")
    return _tried(lambda: len(_source(C, "lists/wrong.txt", [WRONG[number]]).next_minibatch(1)))


def taken(C, number):
    """Return in which order pictures come, and where data ends."""
    with open("lists/many.txt", "w") as file:
        file.write("".join("d.bmp\t%d\n" % place for place in range(20)))
    source = _source(C, "lists/many.txt", [], 20, TAKEN[number])
    found = []
    for _ in range(6):
        data = source.next_minibatch(7)
        if not data:
            break
        labels = _content(data)[1]
        found.append([_classes(C, labels, 20), bool(labels.end_of_sweep)])
        del (
            data,
            labels,
        )  # the real one cannot make a smaller minibatch as long as a view of the last one lives
    return found


def joined(C, first):
    """Return what comes together from a text file and a list of pictures, by the numbers of sequences."""
    with open("lists/numbers.txt", "w") as file:
        file.write("7 |z 1 2\n3 |z 3 4\n")
    with open("lists/joined.txt", "w") as file:
        file.write("3\ta.bmp\t1\n7\tb.bmp\t2\n8\tb.bmp\t2\n")
    streams = C.io.StreamDefs(
        x=C.io.StreamDef(field="image", transforms=_made(C, SMALL)), y=C.io.StreamDef(field="label", shape=4)
    )
    parts = [
        C.io.CTFDeserializer("lists/numbers.txt", C.io.StreamDefs(z=C.io.StreamDef(field="z", shape=2))),
        C.io.ImageDeserializer("lists/joined.txt", streams),
    ]
    source = C.io.MinibatchSource(parts[::-1] if first else parts, randomize=False, max_sweeps=1)
    data = source.next_minibatch(9)
    numbers = next(value for stream, value in data.items() if stream.m_name == "z")
    return [np.asarray(numbers.asarray()).ravel().tolist(), _told(C, data)]


def streams(C):
    """Return what streams are said to be."""
    with open("lists/streams.txt", "w") as file:
        file.write("a.bmp\t1\n")
    return [
        [str(one) for one in _source(C, "lists/streams.txt", steps).stream_infos()] for steps in (SMALL, [])
    ]
