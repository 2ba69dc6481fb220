"""Graphs whose native code lists its leaves in another order than Python does: run by the real CNTK and by ours."""


def orders(cntk):
    """Return names of parameters, constants, placeholders, inputs and arguments of some graphs."""
    x, p, q = cntk.input_variable(6, name="x"), cntk.placeholder(name="p"), cntk.placeholder(name="q")
    a, b = cntk.parameter((6, 3), name="a"), cntk.parameter((3, 6), name="b")
    c, d = cntk.parameter((6, 6), name="c"), cntk.constant(1, (6, 3), name="d")
    e, f = cntk.constant(1, (3, 6), name="e"), cntk.parameter((4, 3), name="f")
    product = cntk.times(cntk.times(x, a), b)
    graphs = [
        product, cntk.times(cntk.times(x, d), e), cntk.times(p, q), cntk.times(cntk.times(p, a), q),
        cntk.times(cntk.times(c, a), b), cntk.times_transpose(cntk.times(x, a), f),
        cntk.layers.Dense(3)(product), cntk.log_softmax(product), cntk.combine([product]),
    ]  # fmt: skip
    kinds = ("parameters", "constants", "placeholders", "inputs", "arguments")
    return [[[one.name for one in getattr(graph, kind)] for kind in kinds] for graph in graphs]
