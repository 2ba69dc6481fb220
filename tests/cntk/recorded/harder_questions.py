"""More short questions: what is fed wrongly, what has one name or several, and windows that are told in part."""

import numpy as np
import scipy.sparse as sparse

HOT = np.eye(6, dtype=np.float32)[[1, 4]]
PICTURES = np.random.RandomState(0).rand(1, 3, 6, 5).astype(np.float32)

QUESTIONS = {
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
        "named_pair": pair("both"),
        "late": late,
        "weights": C.constant(weights),
        "picture": C.input_variable((3, 6, 5), name="picture"),
        "plane": C.input_variable((6, 5), name="plane"),
    }
