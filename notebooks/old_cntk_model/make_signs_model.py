"""Make the old model of lesson 03: road signs, learnt by the real CNTK 2.7.

Two steps, since CNTK 2.7 needs Python 3.6 and the pictures need a Python of today:

    python make_signs_model.py pictures pictures.npz     # with onnx_workbench: draws the pictures
    python3.6 make_signs_model.py train pictures.npz     # with cntk==2.7.post2: learns, and writes the lesson's files

The second step writes signs.model (CNTK's native format), signs_by_cntk.onnx (its own export) and answers.npz: 32
test pictures, and what the real CNTK answers to them.
"""

import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parents[2] / "onnx_workbench" / "lessons" / "old_cntk_files"
KEPT = 32  # pictures whose answers are kept
EPOCHS = 60
BATCH = 50


def write_pictures(path):
    """Draw the signs and keep them as HWC bytes."""
    from onnx_workbench import training

    data = training.signs()
    np.savez_compressed(
        path,
        train_images=data.train_images,
        train_labels=data.train_labels,
        test_images=data.test_images,
        test_labels=data.test_labels,
        names=np.array(data.labels),
    )


def network(features):
    """Build the network as people wrote them in 2018, the scaling of the pixels included."""
    import cntk as C

    with C.layers.default_options(activation=None, pad=True, bias=False):
        layers = []
        for number, width in enumerate((16, 32, 64), start=1):
            layers += [
                C.layers.Convolution2D((3, 3), width, name="conv%d" % number),
                C.layers.BatchNormalization(map_rank=1, name="norm%d" % number),
                C.layers.Activation(C.relu),
                C.layers.MaxPooling((2, 2), strides=2, name="pool%d" % number),
            ]
    layers += [C.layers.Dropout(0.25), C.layers.Dense(8, activation=None, name="logits")]
    return C.layers.Sequential(layers)(C.element_times(features - 128, 1 / 128))


def train(path):
    """Learn, save natively and as ONNX, and keep the answers to some pictures."""
    import cntk as C

    data = np.load(path)
    C.cntk_py.set_fixed_random_seed(1)
    random = np.random.RandomState(1)
    features = C.input_variable((3, 32, 32), name="features")
    label = C.input_variable(8, name="label")
    z = network(features)
    loss = C.cross_entropy_with_softmax(z, label)
    error = C.classification_error(z, label)
    rates = C.learning_parameter_schedule([(60, 0.003), (60, 0.001), (1, 0.0002)], epoch_size=1000)
    variance = C.momentum_schedule(0.999)
    learner = C.adam(z.parameters, rates, C.momentum_schedule(0.9), variance_momentum=variance)
    trainer = C.Trainer(z, (loss, error), [learner])
    images = np.ascontiguousarray(data["train_images"].transpose(0, 3, 1, 2)).astype(np.float32)
    targets = np.eye(8, dtype=np.float32)[data["train_labels"]]
    for _ in range(EPOCHS):
        order = random.permutation(len(images))
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            trainer.train_minibatch({features: images[chosen], label: targets[chosen]})
    write(z, data)


def write(z, data):
    """Write the three files and say how good the model is."""
    import cntk as C

    images = np.ascontiguousarray(data["test_images"].transpose(0, 3, 1, 2)).astype(np.float32)
    logits = z.eval({z.arguments[0]: images})
    right = float((logits.argmax(axis=1) == data["test_labels"]).mean())
    sys.stdout.write("right on %d test pictures: %.1f %%\n" % (len(images), 100 * right))
    z.save(str(HERE / "signs.model"))
    z.save(str(HERE / "signs_by_cntk.onnx"), format=C.ModelFormat.ONNX)
    np.savez_compressed(
        str(HERE / "answers.npz"),
        images=data["test_images"][:KEPT],
        labels=data["test_labels"][:KEPT],
        names=data["names"],
        logits=logits[:KEPT],
        parameters=np.array([p.name for p in z.parameters]),
    )


if __name__ == "__main__":
    {"pictures": write_pictures, "train": train}[sys.argv[1]](sys.argv[2])
