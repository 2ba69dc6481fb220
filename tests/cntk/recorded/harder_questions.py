"""More short questions: what is fed wrongly, what has one name or several, and windows that are told in part."""

import numpy as np
import scipy.sparse as sparse

HOT = np.eye(6, dtype=np.float32)[[1, 4]]
PICTURES = np.random.RandomState(0).rand(1, 3, 6, 5).astype(np.float32)

QUESTIONS = {
    "a reduction over everything with no axes kept": "C.reduce_sum(flat, keepdims=False).shape",
    "a reduction over all static axes with none kept": "C.reduce_max(flat, C.Axis.all_static_axes(), keepdims=False).shape",
    "a reduction over the batch with none kept": "C.reduce_l2(flat, C.Axis.default_batch_axis(), keepdims=False).shape",
    "a reduction over both static axes with none kept": "C.reduce_l1(flat, (0, 1), keepdims=False).shape",
    # what is fed
    "classes to a sequence": "hot_steps.eval({steps: C.Value.one_hot([1, 4], 6)})",
    "classes of sequences to a sample": "hot.eval({sample: C.Value.one_hot([[1], [4]], 6)})",
    "sequences of classes to a sample": "hot.eval({sample: C.Value.one_hot([[1, 4]], 6)})",
    "ragged classes to a sample": "hot.eval({sample: C.Value.one_hot([[1, 4], [2]], 6)})",
    "ragged classes": "hot_steps.eval({steps: C.Value.one_hot([[1, 4], [2]], 6)})",
    "an empty sequence of classes": "hot_steps.eval({steps: C.Value.one_hot([[1], []], 6)})",
    "too many classes": "hot.eval({sample: C.Value.one_hot([1, 4], 7)})",
    "classes in another dtype": "hot.eval({sample: C.Value.one_hot([1, 4], 6, dtype=np.float64)})",
    "a class that there is not": "C.Value.one_hot([6], 6)",
    "a broken class": "C.Value.one_hot([1.0], 6)",
    "classes of shapes": "C.Value.one_hot([[1, 2]], (2, 3)).shape",
    "no classes": "C.Value.one_hot([0], 0)",
    "a Value to a sequence": "hot_steps.eval({steps: C.Value(HOT)})",
    "rows": "hot.eval({sample: sparse.csr_matrix(HOT)})",
    "columns": "hot.eval({sample: sparse.csc_matrix(HOT)})",
    "coordinates": "hot.eval({sample: sparse.coo_matrix(HOT)})",
    "rows of whole numbers": "hot.eval({sample: sparse.csr_matrix(HOT.astype(np.int32))})",
    "rows and arrays": "hot.eval({sample: [HOT[0], sparse.csr_matrix(HOT[1:])]})",
    "rows of two steps to a sample": "hot.eval({sample: [sparse.csr_matrix(HOT), sparse.csr_matrix(HOT[1:])]})",
    "too many sparse rows": "C.Value.one_hot([[1], [4]], 6).shape",
    "no sample": "(x + 1).eval(np.zeros((0, 2), np.float32))",
    "no step": "(s + 1).eval({s: [RAGGED[0], np.zeros((0, 3), np.float32)]})",
    "no values": "(x + 1).eval({x: []})",
    "what it does not need": "(x + 1).eval({x: ROWS, w: np.zeros((7, 7), np.float32)})",
    "more samples than sequences": "(s + b).eval({s: RAGGED, b: RAGGED[0]})",
    "objects": "(x + 1).eval({x: ROWS.astype(object)})",
    "text": "(x + 1).eval({x: 'rows'})",
    "bytes of pictures": "(x + 1).eval({x: ROWS.astype(np.uint8)})",
    "height, width, channels": "(w + 1).eval({w: [np.zeros((4, 5, 3), np.float32)]})",
    "a placeholder with a value": "(p + 1).eval({p: ROWS})",
    "a placeholder without one": "(p + x).eval({x: ROWS})",
    "an output of another": "(x + 1).eval(ROWS, outputs=[(x * 2).output])",
    "an output by name": "(x + 1).eval(ROWS, outputs=['x'])",
    "no outputs": "(x + 1).eval(ROWS, outputs=[])",
    "a function for a key": "(x + 1).eval({x + 0: ROWS})",
    "too few flags": "(s + 1).eval({s: (RAGGED, [True])})",
    "an array of doubles": "(x + 1).eval({x: C.NDArrayView.from_dense(ROWS.astype(np.float64))})",
    "a variable and an array": "(x + b)(x, np.ones(2, np.float32))",
    # what does not go together
    "too high a rank to map": "C.times(b, C.parameter((3, 2)), infer_input_rank_to_map=5)",
    "no axis to reduce": "C.reduce_sum(w, axis=[])",
    "an axis of sequences to reduce": "C.reduce_sum(b, axis=C.Axis.default_dynamic_axis())",
    "a stride of nothing": "C.slice(b, 0, 0, 3, 0)",
    "two lengths to work out": "C.reshape(w, (-1, -1))",
    "transpose of too many axes": "C.transpose(x, (0, 1))",
    "transpose beyond the axes": "C.transpose(w, (0, 1, 5))",
    "splice of other lengths": "C.splice(w, C.input_variable((4, 4, 5)), axis=1)",
    "squeeze of a length": "C.squeeze(w, 0)",
    "flatten beyond the axes": "C.flatten(w, 4)",
    "reflection of too much": "C.pad(b, [(5, 5)], C.REFLECT_PAD)",
    "one-hot beyond the axes": "C.one_hot(b, 3, axis=5)",
    "too large a kernel": "C.convolution(C.parameter((4, 3, 9, 9)), picture, auto_padding=[False])",
    "too many strides": "C.convolution(weights, picture, strides=(1, 2, 3, 4), auto_padding=[False])",
    "no groups": "C.convolution(weights, picture, groups=0)",
    "another reduction rank": "C.convolution(weights, picture, reduction_rank=2)",
    "an output that cannot be had": "C.convolution_transpose(C.parameter((3, 2, 3, 3)), picture, strides=(2, 2), output_shape=(2, 40, 40))",
    "too large a window": "C.pooling(picture, C.MAX_POOLING, (9, 9))",
    "a window of too many axes": "C.pooling(picture, C.MAX_POOLING, (2, 2, 2, 2))",
    "unpooling of another shape": "C.unpooling(picture, picture, C.MAX_UNPOOLING, (2, 2), (2, 2))",
    "regions without corners": "C.roipooling(picture, b, C.MAX_POOLING, (2, 2), 1.0)",
    "channels that make no blocks": "C.depth_to_space(picture, 2)",
    "pixels that make no blocks": "C.space_to_depth(picture, 4)",
    "pooling of a vector": "C.layers.GlobalMaxPooling()(b)",
    "best of none": "C.classification_error(b, b, topN=0)",
    "cosine of other lengths": "C.cosine_distance(b, x)",
    "the step before of a sample": "C.sequence.past_value(b)",
    "a state of another length": "C.sequence.past_value(s, initial_state=x)",
    "a recurrence over samples": "C.layers.Recurrence(C.layers.LSTM(3))(b)",
    "axes of a constant": "C.reconcile_dynamic_axes(b, C.constant(3))",
    "a batch of batches": "C.to_batch(b)",
    "a batch of sequences": "C.unpack_batch(s)",
    "an initialiser of no width": "C.parameter(3, init=C.uniform(0))",
    "combine of numbers": "C.combine([b, 3])",
    "a constant of nothing": "C.constant()",
    "an input of no shape": "C.input_variable(None)",
    "the shape of an array": "C.parameter((3, 2), init=np.ones((2, 3), np.float32)).shape",
    # what takes the place of what
    "a word that is no method": "(b + 1).clone('both')",
    "clone to another dtype": "C.times(b, C.parameter((3, 2))).clone('share', {b: C.input_variable(3, dtype=np.float64)})",
    "clone to two outputs": "(b + 1).clone('share', {b: C.combine([b, x])})",
    "clone to another length": "C.times(b, C.parameter((3, 2))).clone('share', {b: x})",
    "clone with a list": "(b + 1).clone('share', [b, x])",
    "a placeholder of another": "(p + 1).replace_placeholders({C.placeholder(): b})",
    "an input for a placeholder": "(b + 1).replace_placeholders({b: C.input_variable(3)})",
    "one placeholder of none": "(b + 1).replace_placeholder(b)",
    "one placeholder of two": "(p + C.placeholder()).replace_placeholder(b)",
    "a placeholder to another dtype": "(C.placeholder() + b).replace_placeholder(C.input_variable(3, dtype=np.float64))",
    "a block of other placeholders": "C.as_block(p + 1, [(C.placeholder(), b)], 'Own')",
    "a block of no placeholders": "C.as_block(C.relu(p), [], 'Own')",
    "a block of inputs": "C.as_block(b + 1, [(b, C.input_variable(3))], 'Own')",
    "an attribute that there is not": "(b + 1).nothing",
    "a model of nothing": "C.load_model(None)",
    "a model of a few bytes": "C.load_model(b'abc')",
    "a model that is nowhere": "C.load_model('nowhere/at/all.model')",
    # gradients where several are equal
    "largest of equals": "C.reduce_max(b).grad({b: EQUALS})",
    "least of equals along the batch": "C.reduce_min(b, axis=C.Axis.default_batch_axis()).grad({b: EQUALS})",
    "largest step of equals": "C.sequence.reduce_max(moving).grad({moving: [EQUALS]})",
    "global pooling of equals": "C.layers.GlobalMaxPooling()(flat).grad({flat: EQUALS.reshape(1, 2, 3)})",
    "the best two of equals": "C.combine([C.top_k(b, 2).outputs[0]]).grad({b: EQUALS})",
    "blended statistics": "[blended.forward({blended.arguments[0]: ROWS}, [blended.output], {blended.output})[1][blended.output], blended.constants[0].value]",
    # names
    "names of a named block": "str([one.name for one in named_pair.outputs])",
    "names of a block without one": "str([one.name for one in pair.outputs])",
    "names of two states": "str(C.layers.Recurrence(C.layers.LSTM(2, name='cell'), return_full_state=True)(s))",
    "names of the largest": "str([one.name for one in C.top_k(x, 2, name='k').outputs])",
    "names of steps": "str([one.name for one in C.sequence.unpack(s, 0, name='k').outputs])",
    "a name given late": "late.name + '/' + late.output.name + '/' + late.root_function.name",
    "a name found late": "late.find_by_name('late')",
    "dtype of the unknown": "str([p.dtype, C.relu(p).dtype, (p + x).dtype == np.float32])",
    "softmax along the first of one axis": "C.softmax(x, 0).root_function.is_block",
    "softmax along the last of one axis": "C.softmax(x, -1).root_function.is_block",
    "softmax along all axes": "C.softmax(w, C.Axis.all_static_axes()).root_function.is_block",
    # windows
    "padding of everything": "C.convolution(weights, picture).shape",
    "padding of everything, computed": "C.convolution(weights, picture).eval(PICTURES)",
    "strides of everything": "C.convolution(weights, picture, strides=(2, 2)).shape",
    "stride over all channels": "C.convolution(weights, picture, strides=(3, 2, 2)).eval(PICTURES)",
    "no channels": "C.convolution(weights, picture, reduction_rank=0).eval(PICTURES)",
    "no channels, no filters": "C.convolution(C.constant(np.ones((3, 3), np.float32)), plane, (2, 1), reduction_rank=0).eval(PICTURES[:, 0])",
    "no channels, in words": "tree(C.convolution(C.constant(np.ones((2, 3, 3), np.float32)), plane, reduction_rank=0))",
    "a short window with long strides": "C.pooling(picture, C.MAX_POOLING, 3, (2, 2)).eval(PICTURES)",
    "a long window with short strides": "C.pooling(picture, C.AVG_POOLING, (1, 3, 3), (2, 2)).eval(PICTURES)",
    "a window over channels": "C.pooling(picture, C.MAX_POOLING, (3, 3, 3), auto_padding=[True, True]).eval(PICTURES)",
}


def more_names(C):
    """Return what these questions speak of beside the others."""
    sample, steps = C.input_variable(6, name="sample"), C.sequence.input_variable(6, name="steps")
    table = C.constant(np.arange(12).reshape(6, 2).astype(np.float32))
    a, b = C.input_variable(3, name="a"), C.input_variable(3, name="b")

    def pair(name):
        @C.BlockFunction("Pair", name)
        def both(one, other):
            return C.combine([C.plus(one, other, name="sum"), C.minus(one, other, name="difference")])

        return both(a, b)

    statistics = [C.constant(0.3, (2,)), C.constant(2.0, (2,))]
    blended = C.batch_normalization(
        C.input_variable(2, name="x"), C.parameter(2, init=1.5), C.parameter(2, init=0.2), *statistics, spatial=False,
        normalization_time_constant=20, blend_time_constant=3, running_count=C.constant(10.0, ())
    )  # fmt: skip
    late = C.relu(a)
    late.name = "late"
    weights = np.random.RandomState(1).rand(2, 3, 3, 3).astype(np.float32)
    return {
        "HOT": HOT,
        "PICTURES": PICTURES,
        "sparse": sparse,
        "sample": sample,
        "steps": steps,
        "hot": C.times(sample, table),
        "hot_steps": C.times(steps, table),
        "pair": pair(""),
        "EQUALS": np.array([[1, 2, 2], [0, 0, 0]], np.float32),
        "moving": C.sequence.input_variable(3, needs_gradient=True, name="moving"),
        "flat": C.input_variable((2, 3), needs_gradient=True, name="flat"),
        "blended": blended,
        "named_pair": pair("both"),
        "late": late,
        "weights": C.constant(weights),
        "picture": C.input_variable((3, 6, 5), name="picture"),
        "plane": C.input_variable((6, 5), name="plane"),
    }
