"""Small CNTK models of every kind, built by the real CNTK 2.7 (Python 3.6) and by ours from the same lines.

`make_answers.py`, run by the real one, records what they are and compute; `test_recorded.py` holds ours to it.
"""

import collections

import numpy as np

Data = collections.namedtuple("Data", "shape low high lengths kind")
Case = collections.namedtuple("Case", "name covers build inputs gradients")

CASES = {}
BATCH = 2


def data(*shape, low=-2.0, high=2.0, lengths=None, kind="dense"):
    """Describe an input: uniform numbers of a batch of two, or sequences of some lengths."""
    return Data(shape, low, high, lengths, kind)


def case(name, build, covers=None, gradients=True, **inputs):
    """Add a model: `build(C, **input_variables)` makes it."""
    assert name not in CASES, name
    CASES[name] = Case(name, covers or name, build, inputs, gradients)


def values_of(one, dtype):
    """Return what is fed to every input: arrays, or lists of one array for each sequence."""
    random = np.random.RandomState(sum(map(ord, one.name)) % 1000)
    found = {}
    for name, spec in sorted(one.inputs.items()):

        def draw(*leading, spec=spec):
            if spec.kind == "one_hot":
                return np.eye(spec.shape[-1])[
                    random.randint(0, spec.shape[-1], leading + spec.shape[:-1])
                ].astype(dtype)
            if spec.kind == "integers":
                return random.randint(int(spec.low), int(spec.high), leading + spec.shape).astype(dtype)
            return random.uniform(spec.low, spec.high, leading + spec.shape).astype(dtype)

        found[name] = [draw(length) for length in spec.lengths] if spec.lengths else draw(BATCH)
    return found


def model_of(one, C, dtype):
    """Build a case, and give its parameters numbers that depend on nothing but their order and shape."""
    variables = {}
    for name, spec in sorted(one.inputs.items()):
        make = C.sequence.input_variable if spec.lengths else C.input_variable
        variables[name] = make(spec.shape, dtype=dtype, needs_gradient=one.gradients, name=name)
    with C.default_options(dtype=dtype):
        model = one.build(C, **variables)
    random = np.random.RandomState(7)
    for parameter in model.parameters:
        parameter.value = random.uniform(-0.6, 0.6, parameter.shape).astype(dtype)
    return model


def dtype_in_force(C):
    """Return the dtype that default_options holds."""
    return C.get_default_override(None, dtype=C.default_override_or(np.float32))


def weights(C, shape):
    """Return a parameter of the dtype in force."""
    return C.parameter(shape, dtype=dtype_in_force(C))


def constant(C, values):
    """Return a constant of the dtype in force."""
    return C.constant(np.asarray(values, dtype=dtype_in_force(C)))


# One operand, element by element.
for _name in [
    "abs",
    "ceil",
    "cos",
    "exp",
    "floor",
    "negate",
    "relu",
    "sigmoid",
    "sin",
    "sinh",
    "cosh",
    "softplus",
    "softsign",
    "tan",
    "tanh",
    "elu",
    "selu",
    "leaky_relu",
]:
    case(_name, lambda C, x, _name=_name: getattr(C, _name)(x), x=data(2, 3))
for _name in ["log", "sqrt", "reciprocal"]:
    case(_name, lambda C, x, _name=_name: getattr(C, _name)(x), x=data(2, 3, low=0.1, high=3.0))
for _name in ["acos", "asin", "atanh"]:
    case(_name, lambda C, x, _name=_name: getattr(C, _name)(x), x=data(2, 3, low=-0.9, high=0.9))
for _name in ["asinh", "atan"]:
    case(_name, lambda C, x, _name=_name: getattr(C, _name)(x), x=data(2, 3))
case("round", lambda C, x: C.round(x), x=data(2, 3), gradients=False)
case(
    "round halves",
    lambda C, x: C.round(x / 2),
    covers="round",
    x=data(2, 3, low=-5, high=5, kind="integers"),
    gradients=False,
)
case("log of zero", lambda C, x: C.log(C.relu(x)), covers="log", x=data(4), gradients=False)
case("sqrt of negative", lambda C, x: C.sqrt(x), covers="sqrt", x=data(4), gradients=False)
case("square", lambda C, x: C.square(x), x=data(2, 3))
case("hard_sigmoid", lambda C, x: C.hard_sigmoid(x, 0.3, 0.4), x=data(2, 3))
case("clip", lambda C, x: C.clip(x, -0.5, 1.0), x=data(2, 3))
case("param_relu", lambda C, x: C.param_relu(weights(C, (2, 3)), x), x=data(2, 3))
case("straight_through_impl", lambda C, x: C.stop_gradient(x) + x, covers="stop_gradient", x=data(3))
case("alias", lambda C, x: C.alias(x + 1, name="again"), x=data(3))
case(
    "combine",
    lambda C, x, y: C.combine([C.plus(x, y, name="sum"), C.minus(x, y, name="difference")]),
    x=data(3),
    y=data(3),
    gradients=False,
)

# Two operands and more.
for _name in [
    "plus",
    "minus",
    "element_times",
    "element_divide",
    "element_max",
    "element_min",
    "log_add_exp",
]:
    case(_name, lambda C, x, y, _name=_name: getattr(C, _name)(x, y), x=data(2, 3), y=data(2, 3, low=0.5))
    case(
        _name + " broadcast",
        lambda C, x, y, _name=_name: getattr(C, _name)(x, y),
        covers=_name,
        x=data(2, 3),
        y=data(3, low=0.5),
    )
for _name in ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]:
    case(
        _name,
        lambda C, x, y, _name=_name: getattr(C, _name)(x, y),
        x=data(2, 3, low=0, high=3, kind="integers"),
        y=data(2, 3, low=0, high=3, kind="integers"),
        gradients=False,
    )
case("pow", lambda C, x, y: C.pow(x, y), x=data(2, 3, low=0.2), y=data(2, 3))
case("element_select", lambda C, x, y: C.element_select(C.greater(x, 0), x, y), x=data(2, 3), y=data(2, 3))
case("plus of three", lambda C, x, y: C.plus(x, y, x), covers="plus", x=data(3), y=data(3))
case("operators", lambda C, x, y: -x + y * 2 - x / 3 + abs(y), covers="plus", x=data(3), y=data(3))
case(
    "element_and",
    lambda C, x, y: C.element_and(C.greater(x, 0), C.greater(y, 0)),
    x=data(3),
    y=data(3),
    gradients=False,
)
case(
    "element_or",
    lambda C, x, y: C.element_or(C.greater(x, 0), C.greater(y, 0)),
    x=data(3),
    y=data(3),
    gradients=False,
)
case(
    "element_xor",
    lambda C, x, y: C.element_xor(C.greater(x, 0), C.greater(y, 0)),
    x=data(3),
    y=data(3),
    gradients=False,
)
case("element_not", lambda C, x: C.element_not(C.greater(x, 0)), x=data(3), gradients=False)
case("mean", lambda C, x, y: C.mean(x, y), x=data(3), y=data(3))
case("sum", lambda C, x, y: C.sum(x, y), x=data(3), y=data(3))

# Matrix products.
case("times", lambda C, x: C.times(x, weights(C, (3, 4))), x=data(3))
case(
    "times of rank 2",
    lambda C, x: C.times(x, weights(C, (2, 3, 4)), output_rank=1),
    covers="times",
    x=data(2, 3),
)
case(
    "times to rank 2",
    lambda C, x: C.times(x, weights(C, (3, 4, 2)), output_rank=2),
    covers="times",
    x=data(3),
)
case("times of two inputs", lambda C, x, y: C.times(x, y), covers="times", x=data(2, 3), y=data(3, 4))
case("times weight first", lambda C, x: C.times(weights(C, (4, 3)), x), covers="times", x=data(3))
case("times_transpose", lambda C, x: C.times_transpose(weights(C, (4, 3)), x), x=data(2, 3))

# Reductions.
for _name in [
    "reduce_sum",
    "reduce_mean",
    "reduce_max",
    "reduce_min",
    "reduce_prod",
    "reduce_log_sum_exp",
    "reduce_sum_square",
    "reduce_l1",
    "reduce_l2",
]:
    for _axis in (None, 0, 1, -1, (0, 1)):
        case(
            "%s axis %s" % (_name, _axis),
            lambda C, x, _name=_name, _axis=_axis: getattr(C, _name)(x, axis=_axis),
            covers=_name,
            x=data(2, 3),
        )
case(
    "reduce_sum without keeping",
    lambda C, x: C.reduce_sum(x, axis=1, keepdims=False),
    covers="reduce_sum",
    x=data(2, 3),
)
case(
    "reduce_sum over the batch",
    lambda C, x: C.reduce_sum(x, axis=C.Axis.all_axes()),
    covers="reduce_sum",
    x=data(2, 3),
)
case(
    "reduce_mean over the batch axis",
    lambda C, x: C.reduce_mean(x, axis=C.Axis.default_batch_axis()),
    covers="reduce_mean",
    x=data(3),
)
case("argmax", lambda C, x: C.argmax(x, axis=-1), x=data(2, 3), gradients=False)
case("argmin", lambda C, x: C.argmin(x, axis=0), x=data(2, 3), gradients=False)
case("top_k", lambda C, x: C.top_k(x, 2), x=data(2, 4), gradients=False)
for _name in ["softmax", "log_softmax", "hardmax"]:
    case(_name, lambda C, x, _name=_name: getattr(C, _name)(x), x=data(4), gradients=_name != "hardmax")
    case(
        _name + " over all axes",
        lambda C, x, _name=_name: getattr(C, _name)(x),
        covers=_name,
        x=data(2, 3),
        gradients=_name != "hardmax",
    )
for _axis in (0, -1):
    case(
        "softmax axis %s" % _axis,
        lambda C, x, _axis=_axis: C.softmax(x, axis=_axis),
        covers="softmax",
        x=data(2, 3),
    )
    case(
        "log_softmax axis %s" % _axis,
        lambda C, x, _axis=_axis: C.log_softmax(x, axis=_axis),
        covers="log_softmax",
        x=data(2, 3),
    )

# Shapes.
case("reshape", lambda C, x: C.reshape(x, (3, 2)), x=data(2, 3))
case("reshape inferred", lambda C, x: C.reshape(x, (-1, 2)), covers="reshape", x=data(2, 3, 2))
case(
    "reshape of some axes",
    lambda C, x: C.reshape(x, (6,), begin_axis=0, end_axis=2),
    covers="reshape",
    x=data(2, 3, 2),
)
case("transpose", lambda C, x: C.transpose(x, (1, 0)), x=data(2, 3))
case("transpose of three", lambda C, x: C.transpose(x, (2, 0, 1)), covers="transpose", x=data(2, 3, 4))
case("swapaxes", lambda C, x: C.swapaxes(x, 0, 1), x=data(2, 3))
case("splice", lambda C, x, y: C.splice(x, y), x=data(2, 3), y=data(2, 2))
case("splice axis 0", lambda C, x, y: C.splice(x, y, axis=0), covers="splice", x=data(2, 3), y=data(1, 3))
case("slice", lambda C, x: C.slice(x, 1, 1, 3), x=data(2, 4))
case("slice to the end", lambda C, x: C.slice(x, -1, -2, 0), covers="slice", x=data(2, 4))
case("slice in steps", lambda C, x: C.slice(x, 1, 0, 4, 2), covers="slice", x=data(2, 4))
case("slice of axes", lambda C, x: C.slice(x, [0, 1], [1, 0], [3, 2]), covers="slice", x=data(3, 4))
case("index", lambda C, x: x[0], covers="slice", x=data(3, 4))
case("index range", lambda C, x: x[1:, :2], covers="slice", x=data(3, 4))
case("pad", lambda C, x: C.pad(x, [(1, 1), (0, 2)], mode=C.CONSTANT_PAD, constant_value=0.5), x=data(2, 3))
case(
    "pad by reflection",
    lambda C, x: C.pad(x, [(0, 0), (1, 2)], mode=C.REFLECT_PAD),
    covers="pad",
    x=data(2, 4),
    gradients=False,
)
case(
    "pad symmetrically",
    lambda C, x: C.pad(x, [(0, 0), (1, 2)], mode=C.SYMMETRIC_PAD),
    covers="pad",
    x=data(2, 4),
    gradients=False,
)
case("expand_dims", lambda C, x: C.expand_dims(x, 1), x=data(2, 3))
case("squeeze", lambda C, x: C.squeeze(x, 0), x=data(1, 3))
case(
    "gather",
    lambda C, x: C.gather(weights(C, (4, 3)), x),
    x=data(2, low=0, high=4, kind="integers"),
    gradients=False,
)
case(
    "one_hot",
    lambda C, x: C.one_hot(x, 4, sparse_output=False),
    x=data(2, low=0, high=4, kind="integers"),
    gradients=False,
)
case("depth_to_space", lambda C, x: C.depth_to_space(x, 2), x=data(8, 2, 3))
case("space_to_depth", lambda C, x: C.space_to_depth(x, 2), x=data(2, 4, 6))
case("ones_like", lambda C, x: C.ones_like(x) + x, x=data(2, 3))
case("zeros_like", lambda C, x: C.zeros_like(x) + x, x=data(2, 3))
case("unpack_batch", lambda C, x: C.to_batch(C.unpack_batch(x)) * 2, x=data(2, 3), gradients=False)

# Convolution and pooling.
for _pad in (True, False):
    for _stride in (1, 2):
        case(
            "convolution pad %s stride %s" % (_pad, _stride),
            lambda C, x, _pad=_pad, _stride=_stride: C.convolution(
                weights(C, (3, 2, 3, 3)), x, strides=(_stride, _stride), auto_padding=[False, _pad, _pad]
            ),
            covers="convolution",
            x=data(2, 6, 5),
        )
        case(
            "max pooling pad %s stride %s" % (_pad, _stride),
            lambda C, x, _pad=_pad, _stride=_stride: C.pooling(
                x, C.MAX_POOLING, (3, 2), (_stride, _stride), auto_padding=[_pad, _pad]
            ),
            covers="pooling",
            x=data(2, 6, 5),
        )
        case(
            "average pooling pad %s stride %s" % (_pad, _stride),
            lambda C, x, _pad=_pad, _stride=_stride: C.pooling(
                x, C.AVG_POOLING, (3, 2), (_stride, _stride), auto_padding=[_pad, _pad]
            ),
            covers="pooling",
            x=data(2, 6, 5),
        )
case(
    "convolution even kernel",
    lambda C, x: C.convolution(weights(C, (3, 2, 4, 2)), x, strides=(2, 1), auto_padding=[False, True, True]),
    covers="convolution",
    x=data(2, 7, 6),
)
case(
    "convolution in groups",
    lambda C, x: C.convolution(weights(C, (4, 2, 3, 3)), x, auto_padding=[False, True, True], groups=2),
    covers="convolution",
    x=data(4, 5, 5),
)
case(
    "convolution 1d",
    lambda C, x: C.convolution(weights(C, (3, 2, 3)), x, auto_padding=[False, True]),
    covers="convolution",
    x=data(2, 6),
)
case(
    "convolution_transpose",
    lambda C, x: C.convolution_transpose(
        weights(C, (2, 3, 3, 3)), x, strides=(2, 2), auto_padding=[False, False, False]
    ),
    x=data(2, 3, 4),
)
case(
    "convolution_transpose padded",
    lambda C, x: C.convolution_transpose(
        weights(C, (2, 3, 3, 3)), x, strides=(2, 2), auto_padding=[False, True, True]
    ),
    covers="convolution_transpose",
    x=data(2, 3, 4),
)
case(
    "average pooling with padding counted",
    lambda C, x: C.pooling(x, C.AVG_POOLING, (3, 3), (2, 2), auto_padding=[True, True], include_pad=True),
    covers="pooling",
    x=data(2, 6, 5),
)
case(
    "pooling with ceiling",
    lambda C, x: C.pooling(x, C.MAX_POOLING, (2, 2), (2, 2), ceil_out_dim=True),
    covers="pooling",
    x=data(2, 5, 5),
)
case(
    "unpooling",
    lambda C, x: C.unpooling(C.pooling(x, C.MAX_POOLING, (2, 2), (2, 2)), x, C.MAX_UNPOOLING, (2, 2), (2, 2)),
    x=data(2, 4, 4),
    gradients=False,
)
case(
    "roipooling",
    lambda C, x, y: C.roipooling(x, y, C.MAX_POOLING, (2, 2), 1.0),
    x=data(2, 6, 6),
    y=data(2, 4, low=0, high=5, kind="integers"),
    gradients=False,
)
case(
    "local_response_normalization",
    lambda C, x: C.local_response_normalization(x, 2, 1.0, 0.1, 0.75),
    x=data(5, 3, 3),
)
case(
    "mean_variance_normalization",
    lambda C, x: C.mean_variance_normalization(x, use_stats_across_channels=True),
    x=data(3, 2, 2),
)
case(
    "batch_normalization",
    lambda C, x: C.batch_normalization(
        x,
        weights(C, (3,)),
        weights(C, (3,)),
        constant(C, [0.1, 0.2, -0.3]),
        constant(C, [1.0, 2.0, 0.5]),
        running_count=constant(C, 0.0),
        spatial=True,
    ),
    x=data(3, 2, 2),
    gradients=False,
)

# Losses and metrics.
case(
    "cross_entropy_with_softmax",
    lambda C, x, y: C.cross_entropy_with_softmax(x, y),
    x=data(4),
    y=data(4, kind="one_hot"),
)
case(
    "cross_entropy_with_softmax of a matrix",
    lambda C, x, y: C.cross_entropy_with_softmax(x, y, axis=0),
    covers="cross_entropy_with_softmax",
    x=data(4, 3),
    y=data(4, 3, low=0, high=1),
)
case(
    "binary_cross_entropy",
    lambda C, x, y: C.binary_cross_entropy(C.sigmoid(x), y),
    x=data(4),
    y=data(4, low=0, high=2, kind="integers"),
)
case(
    "weighted_binary_cross_entropy",
    lambda C, x, y, w: C.weighted_binary_cross_entropy(C.sigmoid(x), y, w),
    x=data(4),
    y=data(4, low=0, high=2, kind="integers"),
    w=data(1, low=0.1),
)
case("squared_error", lambda C, x, y: C.squared_error(x, y), x=data(4), y=data(4))
case(
    "classification_error",
    lambda C, x, y: C.classification_error(x, y),
    x=data(4),
    y=data(4, kind="one_hot"),
    gradients=False,
)
case(
    "classification_error of the best two",
    lambda C, x, y: C.classification_error(x, y, topN=2),
    covers="classification_error",
    x=data(4),
    y=data(4, kind="one_hot"),
    gradients=False,
)
case("cosine_distance", lambda C, x, y: C.cosine_distance(x, y), x=data(4), y=data(4))
case(
    "fmeasure",
    lambda C, x, y: C.fmeasure(C.sigmoid(x), y),
    x=data(1, 3),
    y=data(1, 3, low=0, high=2, kind="integers"),
    gradients=False,
)

# Layers.
case(
    "Dense",
    lambda C, x: C.layers.Dense(4, activation=C.tanh, name="dense")(x),
    covers="layers.Dense",
    x=data(3),
)
case("Dense of a picture", lambda C, x: C.layers.Dense(4)(x), covers="layers.Dense", x=data(2, 3, 2))
case("Dense to a matrix", lambda C, x: C.layers.Dense((2, 3))(x), covers="layers.Dense", x=data(4))
case(
    "Dense with input_rank",
    lambda C, x: C.layers.Dense(4, input_rank=1)(x),
    covers="layers.Dense",
    x=data(2, 3),
)
case(
    "Dense with map_rank", lambda C, x: C.layers.Dense(4, map_rank=1)(x), covers="layers.Dense", x=data(2, 3)
)
case("Dense without bias", lambda C, x: C.layers.Dense(4, bias=False)(x), covers="layers.Dense", x=data(3))
case("Embedding", lambda C, x: C.layers.Embedding(3)(x), covers="layers.Embedding", x=data(5, kind="one_hot"))
case(
    "Embedding of weights",
    lambda C, x: C.layers.Embedding(weights=np.arange(6, dtype=np.float32).reshape(3, 2))(x) * 1,
    covers="layers.Embedding",
    x=data(3, kind="one_hot"),
    gradients=False,
)
case(
    "Convolution",
    lambda C, x: C.layers.Convolution((3, 3), 4, activation=C.relu, pad=True, name="conv")(x),
    covers="layers.Convolution",
    x=data(2, 5, 5),
)
case(
    "Convolution1D", lambda C, x: C.layers.Convolution1D(3, 4)(x), covers="layers.Convolution1D", x=data(2, 6)
)
case(
    "Convolution2D",
    lambda C, x: C.layers.Convolution2D(3, 4, strides=2, pad=True)(x),
    covers="layers.Convolution2D",
    x=data(2, 6, 6),
)
case(
    "Convolution2D of a grey picture",
    lambda C, x: C.layers.Convolution2D((3, 3), 4, reduction_rank=0)(x),
    covers="layers.Convolution2D",
    x=data(6, 5),
)
case(
    "Convolution2D without filters",
    lambda C, x: C.layers.Convolution2D((3, 3), reduction_rank=0)(x),
    covers="layers.Convolution2D",
    x=data(6, 5),
)
case(
    "Convolution3D",
    lambda C, x: C.layers.Convolution3D((2, 2, 2), 3)(x),
    covers="layers.Convolution3D",
    x=data(2, 3, 4, 3),
)
case(
    "ConvolutionTranspose",
    lambda C, x: C.layers.ConvolutionTranspose((3, 3), 2, strides=2)(x),
    covers="layers.ConvolutionTranspose",
    x=data(3, 3, 3),
)
case(
    "ConvolutionTranspose1D",
    lambda C, x: C.layers.ConvolutionTranspose1D(3, 2, strides=2)(x),
    covers="layers.ConvolutionTranspose1D",
    x=data(3, 4),
)
case(
    "ConvolutionTranspose2D",
    lambda C, x: C.layers.ConvolutionTranspose2D((2, 2), 2, strides=2, pad=True)(x),
    covers="layers.ConvolutionTranspose2D",
    x=data(3, 3, 4),
)
case(
    "MaxPooling",
    lambda C, x: C.layers.MaxPooling((2, 2), strides=2)(x),
    covers="layers.MaxPooling",
    x=data(2, 4, 6),
)
case(
    "AveragePooling",
    lambda C, x: C.layers.AveragePooling((3, 3), strides=2, pad=True)(x),
    covers="layers.AveragePooling",
    x=data(2, 5, 6),
)
case(
    "GlobalMaxPooling",
    lambda C, x: C.layers.GlobalMaxPooling()(x),
    covers="layers.GlobalMaxPooling",
    x=data(2, 4, 3),
)
case(
    "GlobalAveragePooling",
    lambda C, x: C.layers.GlobalAveragePooling()(x),
    covers="layers.GlobalAveragePooling",
    x=data(2, 4, 3),
)
case(
    "MaxUnpooling",
    lambda C, x: C.layers.MaxUnpooling((2, 2), strides=2)(C.layers.MaxPooling((2, 2), strides=2)(x), x),
    covers="layers.MaxUnpooling",
    x=data(2, 4, 4),
    gradients=False,
)
case(
    "BatchNormalization",
    lambda C, x: C.layers.BatchNormalization(map_rank=1)(x),
    covers="layers.BatchNormalization",
    x=data(3, 2, 2),
    gradients=False,
)
case(
    "BatchNormalization of a vector",
    lambda C, x: C.layers.BatchNormalization()(x),
    covers="layers.BatchNormalization",
    x=data(3),
    gradients=False,
)
case(
    "LayerNormalization",
    lambda C, x: C.layers.LayerNormalization()(x),
    covers="layers.LayerNormalization",
    x=data(2, 3),
)
case(
    "Dropout", lambda C, x: C.layers.Dropout(0.5)(x) * 2, covers="layers.Dropout", x=data(3), gradients=False
)
case("Activation", lambda C, x: C.layers.Activation(C.relu)(x), covers="layers.Activation", x=data(3))
case("Label", lambda C, x: C.layers.Label("here")(x + 1) * 2, covers="layers.Label", x=data(3))
case("identity", lambda C, x: C.layers.identity(x + 1), covers="layers.identity", x=data(3))
case("Stabilizer", lambda C, x: C.layers.Stabilizer()(x), covers="layers.Stabilizer", x=data(3))
case(
    "ResNetBlock",
    lambda C, x: C.layers.ResNetBlock(C.layers.Dense(3, activation=C.relu))(x),
    covers="layers.ResNetBlock",
    x=data(3),
)
case(
    "SequentialClique",
    lambda C, x: C.layers.SequentialClique([C.layers.Dense(3), C.layers.Dense(3)])(x),
    covers="layers.SequentialClique",
    x=data(3),
)
case(
    "Sequential",
    lambda C, x: C.layers.Sequential(
        [C.layers.Dense(4, activation=C.relu, name="first"), [C.layers.Dense(3), C.tanh]]
    )(x),
    covers="layers.Sequential",
    x=data(3),
)
case(
    "For",
    lambda C, x: C.layers.For(range(3), lambda i: C.layers.Dense(3 + i, activation=C.sigmoid))(x),
    covers="layers.For",
    x=data(3),
)
case(
    "LeNet",
    lambda C, x: C.layers.Sequential(
        [
            C.layers.Convolution2D((5, 5), 4, activation=C.relu, pad=True),
            C.layers.MaxPooling((3, 3), strides=2),
            C.layers.Convolution2D((3, 3), 6, activation=C.relu),
            C.layers.Dense(8, activation=C.relu),
            C.layers.Dropout(0.5),
            C.layers.Dense(5, activation=None),
        ]
    )(x),
    covers="layers.Sequential",
    x=data(1, 12, 12),
    gradients=False,
)

# Sequences.
_SEQUENCES = (3, 1, 4)
case("sequence.last", lambda C, x: C.sequence.last(x), x=data(2, lengths=_SEQUENCES))
case("sequence.first", lambda C, x: C.sequence.first(x), x=data(2, lengths=_SEQUENCES))
case("sequence.past_value", lambda C, x: C.sequence.past_value(x), x=data(2, lengths=_SEQUENCES))
case(
    "sequence.past_value of two steps",
    lambda C, x: C.sequence.past_value(x, initial_state=0.5, time_step=2),
    covers="sequence.past_value",
    x=data(2, lengths=_SEQUENCES),
)
case("sequence.future_value", lambda C, x: C.sequence.future_value(x), x=data(2, lengths=_SEQUENCES))
case("sequence.delay", lambda C, x: C.sequence.delay(x, initial_state=0.5), x=data(2, lengths=_SEQUENCES))
case("sequence.slice", lambda C, x: C.sequence.slice(x, 1, 3), x=data(2, lengths=(3, 4)), gradients=False)
case("sequence.is_first", lambda C, x: C.sequence.is_first(x), x=data(2, lengths=_SEQUENCES), gradients=False)
case("sequence.is_last", lambda C, x: C.sequence.is_last(x), x=data(2, lengths=_SEQUENCES), gradients=False)
case("sequence.reduce_sum", lambda C, x: C.sequence.reduce_sum(x), x=data(2, lengths=_SEQUENCES))
case("sequence.reduce_max", lambda C, x: C.sequence.reduce_max(x), x=data(2, lengths=_SEQUENCES))
case("sequence.softmax", lambda C, x: C.sequence.softmax(x), x=data(2, lengths=_SEQUENCES))
case(
    "sequence.broadcast_as",
    lambda C, x, y: C.sequence.broadcast_as(x, y),
    x=data(2),
    y=data(1, lengths=(3, 2)),
)
case(
    "sequence.unpack",
    lambda C, x: C.sequence.unpack(x, 0, no_mask_output=True),
    x=data(2, lengths=_SEQUENCES),
    gradients=False,
)
case("elementwise on sequences", lambda C, x: C.tanh(x * 2 + 1), covers="tanh", x=data(2, lengths=_SEQUENCES))
case(
    "Recurrence of RNNStep",
    lambda C, x: C.layers.Recurrence(C.layers.RNNStep(3))(x),
    covers="layers.RNNStep",
    x=data(2, lengths=_SEQUENCES),
)
case(
    "Recurrence of LSTM",
    lambda C, x: C.layers.Recurrence(C.layers.LSTM(3))(x),
    covers="layers.LSTM",
    x=data(2, lengths=_SEQUENCES),
)
case(
    "Recurrence of LSTM backwards",
    lambda C, x: C.layers.Recurrence(C.layers.LSTM(3), go_backwards=True)(x),
    covers="layers.Recurrence",
    x=data(2, lengths=_SEQUENCES),
)
case(
    "LSTM with peepholes",
    lambda C, x: C.layers.Recurrence(C.layers.LSTM(3, use_peepholes=True))(x),
    covers="layers.LSTM",
    x=data(2, lengths=_SEQUENCES),
)
case(
    "LSTM with projection and stabilizers",
    lambda C, x: C.layers.Recurrence(C.layers.LSTM(2, cell_shape=3, enable_self_stabilization=True))(x),
    covers="layers.LSTM",
    x=data(2, lengths=_SEQUENCES),
)
case(
    "Recurrence of GRU",
    lambda C, x: C.layers.Recurrence(C.layers.GRU(3))(x),
    covers="layers.GRU",
    x=data(2, lengths=_SEQUENCES),
)
case(
    "Recurrence of plus",
    lambda C, x: C.layers.Recurrence(C.plus, initial_state=0.5)(x),
    covers="layers.Recurrence",
    x=data(2, lengths=_SEQUENCES),
)
case(
    "Fold of LSTM",
    lambda C, x: C.layers.Fold(C.layers.LSTM(3))(x),
    covers="layers.Fold",
    x=data(2, lengths=_SEQUENCES),
)
case(
    "Fold backwards",
    lambda C, x: C.layers.Fold(C.layers.GRU(3), go_backwards=True)(x),
    covers="layers.Fold",
    x=data(2, lengths=_SEQUENCES),
)
case(
    "bidirectional",
    lambda C, x: C.splice(
        C.layers.Recurrence(C.layers.LSTM(2))(x), C.layers.Recurrence(C.layers.LSTM(2), go_backwards=True)(x)
    ),
    covers="layers.Recurrence",
    x=data(2, lengths=_SEQUENCES),
)
case(
    "tagger",
    lambda C, x: C.layers.Sequential(
        [C.layers.Embedding(3), C.layers.Recurrence(C.layers.LSTM(4)), C.layers.Dense(3)]
    )(x),
    covers="layers.Sequential",
    x=data(5, lengths=_SEQUENCES, kind="one_hot"),
    gradients=False,
)
case(
    "Delay",
    lambda C, x: C.layers.Delay(1, initial_state=0.5)(x),
    covers="layers.Delay",
    x=data(2, lengths=_SEQUENCES),
)
