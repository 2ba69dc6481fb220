"""Data sets that come with the workbench, and a small PyTorch classifier to train on them."""

from onnx_workbench.training.dataset import Dataset
from onnx_workbench.training.fitting import History, evaluate, fit, history
from onnx_workbench.training.networks import small_convnet
from onnx_workbench.training.public_datasets import cifar10, digits, fashion_mnist
from onnx_workbench.training.road_signs import signs
from onnx_workbench.training.shipped_model import signs_model

__all__ = [
    "Dataset",
    "History",
    "cifar10",
    "digits",
    "evaluate",
    "fashion_mnist",
    "fit",
    "history",
    "signs",
    "signs_model",
    "small_convnet",
]
