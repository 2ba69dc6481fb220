"""Text files and how they are read. Runs on Python 3.6, with the real CNTK, and on today's, with ours."""

import numpy as np

FILES = {
    "no numbers": "|A 1 2 |B 0:1\n|A 3 4 |B 1:1\n|A 5 6 |B 2:2\n",
    "sequences": "0 |A 1 2 |B 0:1\n0 |A 3 4\n1 |A 5 6 |B 2:2\n",
    "first without number": "|A 1 2 |B 0:1\n0 |A 3 4 |B 1:1\n0 |A 5 6 |B 2:2\n",
    "later without number": "0 |A 1 2 |B 0:1\n|A 3 4 |B 1:1\n1 |A 5 6 |B 2:2\n",
    "numbers come back": "0 |A 1 2 |B 0:1\n1 |A 3 4 |B 1:1\n0 |A 5 6 |B 2:2\n",
    "numbers go down": "5 |A 1 2 |B 0:1\n3 |A 3 4 |B 0:1\n4 |A 3 4 |B 0:1\n",
    "short dense": "|A 1 |B 0:1\n|A 3 4 |B 1:1\n",
    "long dense": "|A 1 2 3 |B 0:1\n|A 3 4 |B 1:1\n",
    "large index": "|A 1 2 |B 3:1\n|A 3 4 |B 1:1\n",
    "empty sparse": "|A 1 2 |B\n|A 3 4 |B 1:1\n",
    "empty dense": "|A |B 1:1\n|A 3 4 |B 1:1\n",
    "missing stream": "|A 1 2\n|A 3 4 |B 1:1\n",
    "unknown name": "|A 1 2 |Z 4 5 |B 1:1\n|A 3 4 |B 1:1\n",
    "only unknown": "|A 1 2 |B 0:1\n|Z 4\n|A 5 6 |B 2:2\n",
    "no number": "|A 1 x |B 1:1\n|A 3 4 |B 1:1\n",
    "sparse without index": "|A 1 2 |B 1\n|A 3 4 |B 1:1\n",
    "negative index": "|A 1 2 |B -1:1\n|A 3 4 |B 1:1\n",
    "index twice": "|A 1 2 |B 1:1 1:2\n|A 3 4 |B 1:1\n",
    "indices out of order": "|A 1 2 |B 2:1 1:2\n|A 3 4 |B 1:1\n",
    "comments": "|A 1 2 |# hello |B 1:1 |# |# x\n|A 3 4 |B 1:1\n",
    "only a comment": "|A 1 2 |B 1:1\n|# only\n|A 3 4 |B 1:1\n",
    "escaped in a comment": "|A 1 2 |# hel#|lo |B 1:1\n|A 3 4 |B 1:1\n",
    "blank in front": "\n\n|A 1 2 |B 0:1\n|A 5 6 |B 2:2\n",
    "blank between": "|A 1 2 |B 0:1\n\n|A 5 6 |B 2:2\n",
    "blank at the end": "0 |A 1 2 |B 0:1\n1 |A 5 6 |B 2:2\n\n",
    "carriage returns": "|A 1 2 |B 1:1\r\n|A 3 4 |B 1:1\r\n",
    "no end of line": "|A 1 2 |B 1:1\n|A 3 4 |B 1:1",
    "tabs": "\t|A\t1\t2\t|B\t1:1\n  |A 3   4  |B   1:1  \n",
    "byte order mark": "\ufeff|A 1 2 |B 1:1\n|A 3 4 |B 1:1\n",
    "nothing": "",
    "prose": "hello world\n",
    "prose between": "|A 1 2 |B 1:1\nhello\n|A 3 4 |B 1:1\n",
    "letters after the number": "12x |A 1 2 |B 1:1\n1 |A 3 4 |B 1:1\n",
    "negative number": "-1 |A 1 2 |B 1:1\n1 |A 3 4 |B 1:1\n",
    "large number": "18446744073709551616 |A 1 2 |B 1:1\n1 |A 3 4 |B 1:1\n",
    "number glued": "0|A 1 2|B 1:1\n1|A 3 4|B 1:1\n",
    "twice in a row": "|A 1 2 |A 3 4 |B 1:1\n|A 5 6 |B 1:1\n",
    "two in a row": "0 |A 1 2 |A 3 4\n0 |B 0:1\n1 |A 5 6 |B 2:2\n",
    "fewer samples than rows": "0 |A 1 2\n0 |B 0:1\n1 |A 5 6 |B 2:2\n",
}
NUMBERS = (
    "+3", "-3", "3.", "+.5", ".5", "-.5", "1e5", "1E5", "1e+5", "1e-5", "1e", "1.e5", "1.5e2", "1.5e2.5", "--1", "1_0",
    "0x10", "1,5", "1e400", "-", "+", "007", "1e-400", "3.4e39", "nan", "inf", "0.1234567890123456789",
)  # fmt: skip
LENGTHS = (3, 2, 4, 1, 2)
TAKEN = {
    "sizes": [{"size": size, "options": {"randomize": False}} for size in (1, 3, 5, 6, 12, 13, 24, 30)],
    "limits": [
        {"size": 5, "options": dict(randomize=False, **more)}
        for more in ({"max_samples": 7}, {"max_samples": 12}, {"max_samples": 13}, {"max_sweeps": 2})
    ],
    "shuffled": [{"size": 5, "options": {"randomization_seed": seed}} for seed in (0, 1, 7)]
    + [{"size": 4, "options": {"max_sweeps": 2}}, {"size": 12, "options": {"max_samples": 20}}],
}


def definitions(io):
    """Return the streams of FILES."""
    return io.StreamDefs(
        a=io.StreamDef(field="A", shape=2), b=io.StreamDef(field="B", shape=3, is_sparse=True)
    )


def dense(C, data):
    """Return the padded numbers of a stream, whether it is sparse or not."""
    return np.asarray(data.data.data.asarray())


def content(C, path, text):
    """Return what one minibatch of a file holds, or the name of the error's builtin class."""
    with open(path, "wb") as file:
        file.write(text.encode("utf-8"))
    try:
        source = C.io.MinibatchSource(
            C.io.CTFDeserializer(path, definitions(C.io)), randomize=False, max_sweeps=1
        )
        read = source.next_minibatch(100)
    except (RuntimeError, ValueError) as error:
        return "RuntimeError" if isinstance(error, RuntimeError) else "ValueError"
    found = {}
    for name in "ab":
        data = read[source.streams[name]]
        found[name] = [data.num_sequences, data.num_samples, data.end_of_sweep, dense(C, data).tolist()]
    return found


def number(C, path, text):
    """Return the number that a text is read as, or the name of the error."""
    with open(path, "w") as file:
        file.write("|A %s\n" % text)
    try:
        streams = C.io.StreamDefs(a=C.io.StreamDef(field="A", shape=1))
        source = C.io.MinibatchSource(C.io.CTFDeserializer(path, streams), randomize=False)
        read = source.next_minibatch(1)
        return repr(float(dense(C, read[source.streams.a]).ravel()[0]))
    except RuntimeError:
        return "RuntimeError"


def taken(C, path, size, options):
    """Return the sequences in each of some minibatches, how many samples they have, and whether the data ends there."""
    with open(path, "w") as file:
        for sequence, length in enumerate(LENGTHS):
            file.writelines(
                "%d |A %d |B %d\n" % (sequence, 10 * sequence + step, step) for step in range(length)
            )
    streams = C.io.StreamDefs(a=C.io.StreamDef(field="A", shape=1), b=C.io.StreamDef(field="B", shape=1))
    source = C.io.MinibatchSource(C.io.CTFDeserializer(path, streams), **options)
    rows = []
    for _ in range(7):
        read = source.next_minibatch(size)
        if not read:
            rows.append(None)
            continue
        data = read[source.streams.a]
        first = dense(C, data)[:, 0].ravel() // 10
        rows.append([first.astype(int).tolist(), data.num_samples, data.end_of_sweep])
    return rows


def of_arrays(C):
    """Return the minibatches of arrays in memory."""
    x = np.arange(15).reshape(5, 3).astype(np.float32)
    rows = []
    for limit in (5, 7, C.io.INFINITELY_REPEAT):
        source = C.io.MinibatchSourceFromData({"x": x}, max_samples=limit)
        for _ in range(4):
            read = source.next_minibatch(3)
            data = read[source.streams["x"]] if read else None
            rows.append(data and [data.asarray().tolist(), data.num_samples, data.end_of_sweep])
    return rows


def of_users(C, keep):
    """Return the minibatches of a deserializer that a user wrote, of several chunks, shuffled by windows and not."""

    class Chunks(C.io.UserDeserializer):
        def __init__(self, sizes):
            super(Chunks, self).__init__()
            self._sizes = sizes

        def stream_infos(self):
            return [C.io.StreamInformation("x", 0, "dense", np.float32, (1,))]

        def num_chunks(self):
            return len(self._sizes)

        def get_chunk(self, chunk_id):
            return {"x": np.array([[100 * chunk_id + i] for i in range(self._sizes[chunk_id])], np.float32)}

    rows = []
    for sizes in ((3, 3, 3, 3, 3), (2, 5, 1, 4)):
        for options in (
            {"randomize": False},
            {"randomize": False, "max_sweeps": 2},
            {"randomization_window_in_chunks": 1, "randomization_seed": 1},
            {"randomization_window_in_chunks": 2},
            {"randomization_window_in_chunks": 3, "max_samples": 20},
            {"randomization_window_in_chunks": 10},
        ):
            chunks = Chunks(sizes)
            source = C.io.MinibatchSource([chunks], **options)
            keep.extend([chunks, source])
            for _ in range(8):
                read = source.next_minibatch(4)
                data = read[source.streams.x] if read else None
                rows.append(data and [data.asarray().ravel().astype(int).tolist(), data.end_of_sweep])
    return rows


def texts(C):
    """Return sequences as text."""
    write = C.io.sequence_to_cntk_text_format
    x = np.arange(6).reshape(2, 3)
    return [
        write(3, {"A": x.astype(np.float32), "B": [{3: 1, 1: 2}, {0: 5}]}),
        write(0, {"A": np.array([[0.1, 1e-10, 1e20]])}),
        write(1, {"W": np.array([[[1, 0], [1, 0]], [[5, 6], [7, 8]]]), "L": np.array([[[2]]])}),
    ]


def all_of(C, path):
    """Return every answer, by name."""
    keep = []
    return {
        "files": {name: content(C, path, text) for name, text in sorted(FILES.items())},
        "numbers": {text: number(C, path, text) for text in NUMBERS},
        "taken": {name: [taken(C, path, **one) for one in group] for name, group in sorted(TAKEN.items())},
        "arrays": of_arrays(C),
        "users": of_users(C, keep),
        "texts": texts(C),
    }, keep
