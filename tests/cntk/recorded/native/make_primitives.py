"""Save one small model per primitive with the real CNTK 2.7, with inputs and answers. Run with its Python 3.6.

Writes one folder: NAME.model, and answers.npz with NAME/input-name and NAME/output.
"""

import os
import sys

import cntk as C
import numpy as np

folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)
rng = np.random.RandomState(0)
answers = {}


def numbers(*shape):
    return rng.uniform(-2, 2, size=shape).astype(np.float32)


def record(name, root, **feeds):
    """Save a model and what it answers; feeds are batches, or lists of sequences."""
    root = C.combine([root]) if not root.is_composite else root
    root.save(os.path.join(folder, name + ".model"))
    given = {argument: feeds[argument.name] for argument in root.arguments}
    found = root.eval(given)
    if isinstance(found, dict):
        for index, output in enumerate(root.outputs):
            answers["%s/output%d" % (name, index)] = np.asarray(found[output])
    else:
        answers[name + "/output0"] = np.stack(found) if isinstance(found, list) else np.asarray(found)
    for key, value in feeds.items():
        answers["%s/in/%s" % (name, key)] = np.stack(value) if isinstance(value, list) else value


def unary(name, operator, low=-2.0, high=2.0, shape=(3, 4)):
    x = C.input_variable(shape, name="x")
    record(name, operator(x), x=rng.uniform(low, high, size=(2,) + shape).astype(np.float32))


for name in [
    "negate",
    "sigmoid",
    "tanh",
    "relu",
    "exp",
    "floor",
    "abs",
    "sin",
    "cos",
    "sinh",
    "cosh",
    "asinh",
    "atan",
    "tan",
    "softplus",
    "softsign",
    "ceil",
    "round",
    "sqrt",
]:
    unary(name, getattr(C, name), low=0.1 if name == "sqrt" else -1.4, high=1.4)
unary("log", C.log, 0.1, 3)
unary("reciprocal", C.reciprocal, 0.5, 3)
unary("square", C.square)
unary("asin", C.asin, -0.9, 0.9)
unary("acos", C.acos, -0.9, 0.9)
unary("atanh", C.atanh, -0.9, 0.9)
unary("elu", C.elu)
unary("selu", C.selu)
unary("leaky_relu", C.leaky_relu)
unary("hard_sigmoid", lambda x: C.hard_sigmoid(x, 0.3, 0.6))
unary("stop_gradient", C.stop_gradient)
unary("alias", lambda x: C.alias(x, "renamed"))
unary("dropout", lambda x: C.dropout(x, 0.3))
unary("softmax", C.softmax)
unary("softmax_axis", lambda x: C.softmax(x, axis=0))
unary("softmax_last", lambda x: C.softmax(x, axis=-1))
unary("log_softmax", C.log_softmax)
unary("log_softmax_axis", lambda x: C.log_softmax(x, axis=1))
unary("hardmax", C.hardmax)
unary("hardmax_vector", C.hardmax, shape=(5,))
unary("transpose", lambda x: C.transpose(x, (1, 0)))
unary("swapaxes", lambda x: C.swapaxes(x, 0, 2), shape=(2, 3, 4))
unary("transpose3", lambda x: C.transpose(x, (2, 0, 1)), shape=(2, 3, 4))
unary("slice", lambda x: C.slice(x, 1, 1, 3))
unary("slice_to_end", lambda x: C.slice(x, 0, -2, 0))
unary("slice_axes", lambda x: C.slice(x, [0, 1], [1, 0], [3, 4], [1, 2]))
unary("reshape", lambda x: C.reshape(x, (2, 6)))
unary("reshape_inferred", lambda x: C.reshape(x, (6, -1)))
unary("reshape_part", lambda x: C.reshape(x, (2, 2), begin_axis=1, end_axis=2))
unary("flatten", lambda x: C.flatten(x, axis=1))
unary("squeeze", lambda x: C.squeeze(x, 1), shape=(3, 1, 4))
unary("expand_dims", lambda x: C.expand_dims(x, 1))
for name in ["sum", "mean", "max", "min", "log_sum_exp", "prod", "l1", "l2", "sum_square"]:
    unary("reduce_" + name, getattr(C, "reduce_" + name), 0.2, 2) if name not in (
        "l1",
        "l2",
        "sum_square",
    ) else None
    unary("reduce_%s_axis" % name, lambda x, name=name: getattr(C, "reduce_" + name)(x, axis=0), 0.2, 2)
unary("reduce_sum_axes", lambda x: C.reduce_sum(x, axis=(0, 2), keepdims=False), shape=(2, 3, 4))
unary("reduce_mean_flat", lambda x: C.reduce_mean(x, axis=1, keepdims=False))
unary("argmax", lambda x: C.argmax(x, axis=0))
unary("argmin", lambda x: C.argmin(x, axis=1))
unary("clip", lambda x: C.clip(x, -0.5, 0.75))
unary("pad", lambda x: C.pad(x, [(1, 2), (0, 1)], mode=C.CONSTANT_PAD, constant_value=0.5))
unary("pad_reflect", lambda x: C.pad(x, [(1, 1), (2, 1)], mode=C.REFLECT_PAD))
unary("top_k", lambda x: C.top_k(x, 2))
unary("to_float64", lambda x: C.cast(C.cast(x, np.float64) * 2.0, np.float32))
unary("crop_like_slice", lambda x: x[1:, ::2])
unary("image_scaler", lambda x: C.image_scaler(x, 0.5, [1.0, 2.0, 3.0]), shape=(3, 2, 2))
unary("local_response", lambda x: C.local_response_normalization(x, 1, 1.0, 0.5, 0.75), shape=(4, 3, 3))
unary(
    "mean_variance",
    lambda x: C.mean_variance_normalization(x, use_stats_across_channels=False),
    shape=(3, 4, 4),
)
unary("depth_to_space", lambda x: C.depth_to_space(x, 2), shape=(8, 2, 3))
unary("space_to_depth", lambda x: C.space_to_depth(x, 2), shape=(2, 4, 6))
unary("one_hot", lambda x: C.one_hot(x, 6), 0, 5.99, shape=(3,))
unary("eye_like", lambda x: C.plus(C.eye_like(x, sparse_output=False), x), shape=(3,)) if False else None


def binary(name, operator, left=(3, 4), right=(3, 4), low=-2, high=2):
    x, y = C.input_variable(left, name="x"), C.input_variable(right, name="y")
    record(
        name,
        operator(x, y),
        x=rng.uniform(low, high, size=(2,) + left).astype(np.float32),
        y=rng.uniform(low, high, size=(2,) + right).astype(np.float32),
    )


for name in [
    "plus",
    "minus",
    "element_times",
    "element_divide",
    "element_max",
    "element_min",
    "log_add_exp",
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "equal",
    "not_equal",
]:
    binary(name, getattr(C, name))
binary("plus_vector", C.plus, (5,), (5,))
binary("plus_broadcast", C.plus, (3, 4), (4,))
binary("times_broadcast", C.element_times, (3, 1), (1, 4))
binary("pow", C.pow, low=0.5, high=2)
binary("times", C.times, (3, 4), (4, 2))
binary("times_vector", C.times, (4,), (4, 2))
binary("times_rank", lambda x, y: C.times(x, y, output_rank=2), (3, 4), (4, 2, 5))
binary("times_transpose", C.times_transpose, (3, 4), (2, 4))
binary("splice", lambda x, y: C.splice(x, y, axis=0), (3, 4), (2, 4))
binary("splice_last", C.splice)
binary("squared_error", C.squared_error)
binary("cosine_distance", C.cosine_distance, (5,), (5,))
binary("cross_entropy", C.cross_entropy_with_softmax, (5,), (5,), 0, 1)
binary("classification_error", C.classification_error, (5,), (5,))
binary("binary_cross_entropy", C.binary_cross_entropy, (1,), (1,), 0.1, 0.9)
binary("element_select", lambda x, y: C.element_select(C.greater(x, 0), x, y))
binary("gather", lambda x, y: C.gather(y, C.relu(x)), (3,), (6, 2), 0, 4) if False else None

w = C.parameter((4, 5), init=numbers(4, 5), name="w")
b = C.parameter((5,), init=numbers(5), name="b")
x = C.input_variable((4,), name="x")
record("dense", C.times(x, w) + b, x=numbers(3, 4))
x = C.input_variable((1, 4), name="x")
record("dense_row", C.times(x, w) + C.parameter((1, 5), init=numbers(1, 5)), x=numbers(3, 1, 4))
x = C.input_variable((10,), name="x")
record("parameter_row", x + C.parameter((1, 10), init=numbers(1, 10)), x=numbers(3, 10))
x = C.input_variable((2, 3, 4), name="x")
record("dense_picture", C.layers.Dense(5, activation=C.relu, name="d")(x), x=numbers(3, 2, 3, 4))
record("dense_map_rank", C.layers.Dense(5, map_rank=1)(x), x=numbers(3, 2, 3, 4))
record(
    "gather_rows",
    C.gather(C.parameter((6, 3), init=numbers(6, 3)), C.input_variable((4,), name="x")),
    x=np.array([[0, 1, 5, 2], [3, 3, 0, 4]], np.float32),
)

picture = C.input_variable((3, 9, 8), name="x")
pictures = numbers(2, 3, 9, 8)
for stride in (1, 2, 3):
    for size in ((2, 3), (4, 5)):
        for pad in (False, True):
            name = "%d%d_s%d_%s" % (size + (stride, "pad" if pad else "valid"))
            layer = C.layers.Convolution2D(size, 4, strides=stride, pad=pad)
            record("conv_" + name, layer(picture), x=pictures)
            record("max_pool_" + name, C.layers.MaxPooling(size, stride, pad)(picture), x=pictures)
            record("average_pool_" + name, C.layers.AveragePooling(size, stride, pad)(picture), x=pictures)
record(
    "conv_groups",
    C.convolution(
        C.parameter((6, 1, 3, 3), init=numbers(6, 1, 3, 3)),
        picture,
        auto_padding=[False, True, True],
        groups=3,
    ),
    x=pictures,
)
for pad in (False, True):
    layer = C.layers.ConvolutionTranspose2D((3, 4), 5, strides=2, pad=pad)
    record("conv_transpose_%s" % pad, layer(picture), x=pictures)
record("pool_ceil", C.pooling(picture, C.MAX_POOLING, (2, 3), (2, 3), ceil_out_dim=True), x=pictures)
record(
    "pool_include_pad",
    C.pooling(picture, C.AVG_POOLING, (3, 3), (2, 2), auto_padding=[True], include_pad=True),
    x=pictures,
)
record("global_pool", C.layers.GlobalAveragePooling()(picture), x=pictures)
record("global_max_pool", C.layers.GlobalMaxPooling()(picture), x=pictures)
norm = C.layers.BatchNormalization(map_rank=1, epsilon=1e-3)(picture)
for variable in norm.constants:
    if variable.shape == (3,):
        variable.value = np.abs(numbers(3)) + 0.5
record("batch_norm_spatial", norm, x=pictures)
flat = C.input_variable((6,), name="x")
norm = C.layers.BatchNormalization()(flat)
for variable in norm.constants:
    if variable.shape == (6,):
        variable.value = np.abs(numbers(6)) + 0.5
record("batch_norm_flat", norm, x=numbers(3, 6))
record("layer_norm", C.layers.LayerNormalization()(flat), x=numbers(3, 6))
record("stabilizer", C.layers.Stabilizer()(flat), x=numbers(3, 6))
record("prelu", C.param_relu(C.parameter((6,), init=numbers(6)), flat), x=numbers(3, 6))
record("embedding", C.layers.Embedding(4)(flat), x=numbers(3, 6))
even = C.input_variable((3, 8, 8), name="x")
record(
    "unpooling",
    C.unpooling(C.pooling(even, C.MAX_POOLING, (2, 2), (2, 2)), even, C.MAX_UNPOOLING, (2, 2), (2, 2)),
    x=numbers(2, 3, 8, 8),
)
record("two_outputs", C.combine([C.relu(flat, name="r"), C.negate(flat, name="n")]), x=numbers(3, 6))

steps = C.sequence.input_variable((4,), name="x")
sequences = [numbers(5, 4), numbers(5, 4)]
record("past_value", C.sequence.past_value(steps), x=sequences)
record("past_value_2", C.sequence.past_value(steps, initial_state=0.5, time_step=2), x=sequences)
record("future_value", C.sequence.future_value(steps, time_step=1), x=sequences)
record("recurrence_rnn", C.layers.Recurrence(C.layers.RNNStep(3))(steps), x=sequences)
record("recurrence_lstm", C.layers.Recurrence(C.layers.LSTM(3))(steps), x=sequences)
record(
    "recurrence_lstm_all",
    C.layers.Recurrence(C.layers.LSTM(3, use_peepholes=True, enable_self_stabilization=True))(steps),
    x=sequences,
)
record("recurrence_gru", C.layers.Recurrence(C.layers.GRU(3))(steps), x=sequences)
record("recurrence_back", C.layers.Recurrence(C.layers.GRU(3), go_backwards=True)(steps), x=sequences)
record("fold_lstm", C.layers.Fold(C.layers.LSTM(3))(steps), x=sequences)
record("last", C.sequence.last(steps), x=sequences)
record("first", C.sequence.first(steps), x=sequences)
record("sequence_sum", C.sequence.reduce_sum(steps), x=sequences)
record("broadcast_as", C.sequence.broadcast_as(C.sequence.last(steps), steps), x=sequences)
record(
    "bidirectional",
    C.splice(
        C.layers.Recurrence(C.layers.LSTM(3))(steps),
        C.layers.Recurrence(C.layers.LSTM(3), go_backwards=True)(steps),
    ),
    x=sequences,
)
record(
    "stacked",
    C.layers.Sequential(
        [
            C.layers.Recurrence(C.layers.LSTM(3)),
            C.layers.Dense(4),
            C.layers.Recurrence(C.layers.GRU(2)),
            C.sequence.last,
        ]
    )(steps),
    x=sequences,
)
record("running_sum", C.layers.Recurrence(C.plus)(steps), x=sequences)
record("sequence_softmax", C.sequence.softmax(steps), x=sequences)


def record_older(name, case, old, new, **feeds):
    """Record a primitive that CNTK 2.7 runs and no longer writes: another one's file, with its number changed."""
    with open(os.path.join(folder, case + ".model"), "rb") as file:
        content = file.read()
    mark = b"op\x12\x06\x08\x02\x10\x03\x28"
    assert content.count(mark + bytes(bytearray([old]))) == 1
    path = os.path.join(folder, name + ".model")
    with open(path, "wb") as file:
        file.write(content.replace(mark + bytes(bytearray([old])), mark + bytes(bytearray([new]))))
    record(name, C.load_model(path), **feeds)


record_older("older_sigmoid", "relu", 3, 1, x=numbers(2, 3, 4))
record_older("older_pass", "relu", 3, 56, x=numbers(2, 3, 4))
record_older("older_log_softmax", "relu", 3, 51, x=numbers(2, 3, 4))
record_older("older_sum_all", "relu", 3, 18, x=numbers(2, 3, 4))
record_older("older_squared_error", "plus", 19, 34, x=numbers(2, 3, 4), y=numbers(2, 3, 4))
record_older("older_cross_entropy", "plus_vector", 19, 35, x=numbers(2, 5), y=np.abs(numbers(2, 5)))
np.savez_compressed(os.path.join(folder, "answers.npz"), **answers)
print(len(answers))
