"""Training among workers, of which there is one; and learners that begin anew."""

import numpy as np
import pytest

import onnx_workbench.cntk as C  # noqa: N812
from onnx_workbench.cntk.errors import CntkTypeError, CntkValueError, UnsupportedOperatorError

DATA = (np.array([[1, 2], [3, -1], [0.5, 0.5]], np.float32), np.array([[1], [0], [2]], np.float32))


def trained(learner_of, updates, between=None):
    x, y = C.input_variable(2), C.input_variable(1)
    weight = C.parameter((2, 1), init=0.5)
    model = C.times(x, weight)
    learner = learner_of(model.parameters)
    trainer = C.Trainer(model, (C.squared_error(model, y), None), [learner])
    for number in range(updates):
        if between is not None:
            between(number, learner)
        trainer.train_minibatch(dict(zip((x, y), DATA, strict=True)))
    return weight.value.ravel(), learner


# Recorded from the real CNTK 2.7: three updates, reset_smoothed_gradients, two updates.
FORGOTTEN = {
    "momentum": (lambda p: C.momentum_sgd(p, 0.1, 0.9), [0.37040945887565613, 0.536980152130127]),
    "nesterov": (lambda p: C.nesterov(p, 0.1, 0.9), [0.32933950424194336, 0.5502217411994934]),
    "adam": (lambda p: C.adam(p, 0.1, 0.9), [0.33473676443099976, 0.6472956538200378]),
    "adagrad": (lambda p: C.adagrad(p, 0.1), [0.33698520064353943, 0.6195849776268005]),
    "rmsprop": (
        lambda p: C.rmsprop(p, 0.1, 0.9, 1.2, 0.8, 2, 0.1),
        [0.32886409759521484, 0.6184656620025635],
    ),
    "adadelta": (lambda p: C.adadelta(p, 0.1), [0.49992474913597107, 0.5000751614570618]),
    "fsadagrad": (lambda p: C.fsadagrad(p, 0.1, 0.9), [0.4513281583786011, 0.5481923222541809]),
}


@pytest.mark.parametrize("name", sorted(FORGOTTEN))
def test_a_learner_that_forgets_goes_on_as_cntks(name):
    learner_of, expected = FORGOTTEN[name]
    found, learner = trained(learner_of, 5, lambda n, one: n == 3 and one.reset_smoothed_gradients())
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert learner.total_number_of_minibatches_seen() == 5
    assert learner.total_number_of_samples_seen() == 15
    assert learner.total_number_of_sweeps_seen() == 0


def test_a_script_for_several_workers_runs_with_one():
    distributed = C.train.distributed
    alone, _ = trained(lambda p: C.momentum_sgd(p, 0.1, 0.9), 4)
    among, learner = trained(
        lambda p: distributed.data_parallel_distributed_learner(C.momentum_sgd(p, 0.1, 0.9), 0, 1), 4
    )
    np.testing.assert_array_equal(among, alone)
    assert learner.total_number_of_samples_seen == 12
    assert (learner.total_number_of_minibatches_seen(), learner.total_number_of_sweeps_seen()) == (4, 0)
    assert not learner.is_compatible_mode()
    assert isinstance(learner, distributed.DistributedLearner)
    assert learner.communicator().is_main()
    communicator = distributed.mpi_communicator()
    communicator.barrier()
    assert [one.global_rank for one in communicator.workers()] == [distributed.Communicator.rank()] == [0]
    assert communicator.current_worker().is_main()
    assert distributed.Communicator.num_workers() == 1
    distributed.Communicator.finalize()


def test_its_state_is_that_of_the_learner_inside():
    def made(parameters):
        return C.data_parallel_distributed_learner(C.adam(parameters, 0.1, 0.9))

    _, learner = trained(made, 3)
    state = learner.create_checkpoint()
    parameter = C.parameter((2, 1))
    other = C.adam([parameter], 0.1, 0.9)
    other.restore_from_checkpoint(state)
    assert other.total_number_of_samples_seen() == 9
    learner.restore_from_checkpoint(state)
    learner.reset_learning_rate(C.learning_parameter_schedule(0.5))
    assert learner.learning_rate() == 0.5
    learner.minibatch_size = 7
    assert learner.minibatch_size == 7
    assert list(learner.rates().values()) == [0.5, 0.9]


def test_blocks_of_one_worker_begin_momenta_anew():
    def momentum(parameters):
        return C.momentum_sgd(parameters, 0.1, 0.9)

    every_block, _ = trained(lambda p: C.block_momentum_distributed_learner(momentum(p), block_size=6), 4)
    by_hand, _ = trained(momentum, 4, lambda n, one: n == 2 and one.reset_smoothed_gradients())
    np.testing.assert_array_equal(every_block, by_hand)
    kept, _ = trained(
        lambda p: C.block_momentum_distributed_learner(
            momentum(p), block_size=6, reset_sgd_momentum_after_aggregation=False
        ),
        4,
    )
    np.testing.assert_array_equal(kept, trained(momentum, 4)[0])


def test_what_one_worker_cannot_do_is_told():
    learner = C.sgd([C.parameter((2, 1))], 0.1)
    with pytest.raises(CntkTypeError, match="is made of a learner; got a list"):
        C.data_parallel_distributed_learner([])
    with pytest.raises(CntkValueError, match="from 1 to 32; got 64"):
        C.data_parallel_distributed_learner(learner, num_quantization_bits=64)
    with pytest.raises(UnsupportedOperatorError, match="nor is it in CNTK"):
        C.data_parallel_distributed_learner(learner, use_async_buffered_parameter_update=True)
    with pytest.raises(CntkValueError, match="how many samples a block has; got 0"):
        C.block_momentum_distributed_learner(learner, 0)
    with pytest.raises(UnsupportedOperatorError, match="a time constant of 4096 and a rate of"):
        C.block_momentum_distributed_learner(learner, 10, block_momentum_as_time_constant=4096)


def test_samples_are_counted_behind_a_loss_that_is_a_sum():
    x, y = C.input_variable(1), C.input_variable(2)
    error = C.cross_entropy_with_softmax(C.layers.Dense(2)(x), y)
    loss = C.reduce_sum(error, axis=C.Axis.all_axes()) * 1.0
    trainer = C.Trainer(None, (loss, None), C.sgd(loss.parameters, 0.1))
    trainer.train_minibatch({x: np.float32([[0.1], [-0.1]]), y: np.eye(2, dtype=np.float32)})
    assert trainer.total_number_of_samples_seen == 2  # as the real CNTK 2.7 has it
