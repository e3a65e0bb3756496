"""A training step as one CUDA graph.

A step of a small network on small batches is hundreds of kernels of a few microseconds, which Python cannot start as
fast as a GPU ends them. Captured once, they are started by one call. Draws (dropout) are those of the generator's
seed at each replay, so a replayed step computes what the step itself would have.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ablate.errors import UserError

Step = Callable[..., tuple[Tensor, ...]]
Captured = tuple[torch.cuda.CUDAGraph, list[Tensor], tuple[Tensor, ...]]  # graph, where its inputs lie, its results
FIRST = 3  # steps of each shape that are run as they are: they create the optimiser's state and choose kernels


class Graphs:
    """``step``, replayed from its fourth call with inputs of one shape on.

    Args:
        step: takes tensors on the current CUDA device, or None for those that it does without; returns tensors. It
            must not wait for the device, nor depend on anything but its inputs and tensors that stay where they are.
    """

    def __init__(self, step: Step) -> None:
        self.step = step
        self.seen: dict[tuple[object, ...], int] = {}
        self.graphs: dict[tuple[object, ...], Captured] = {}

    def __call__(self, *inputs: Tensor | None) -> tuple[Tensor, ...]:
        """What ``step`` returns, in memory that the next call may write over.

        Raises:
            UserError: For a step that cannot be captured.
        """
        shape = tuple(x if x is None else (tuple(x.shape), x.stride(), x.dtype) for x in inputs)
        self.seen[shape] = self.seen.get(shape, 0) + 1
        if self.seen[shape] <= FIRST:
            return self.step(*inputs)
        if shape not in self.graphs:
            self.graphs[shape] = self._captured(inputs)
        graph, places, results = self.graphs[shape]
        for place, x in zip(places, (x for x in inputs if x is not None), strict=True):
            place.copy_(x)
        graph.replay()
        return results

    def _captured(self, inputs: tuple[Tensor | None, ...]) -> Captured:
        places = [x if x is None else x.clone() for x in inputs]
        graph = torch.cuda.CUDAGraph()
        pool = next(iter(self.graphs.values()))[0].pool() if self.graphs else None
        try:
            # In the stream of the steps before: autograd sums gradients in the stream in which it first did.
            with torch.cuda.graph(graph, pool, torch.cuda.current_stream(), capture_error_mode="thread_local"):
                results = self.step(*places)
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            raise UserError(
                f"params.yaml: compute.compile: this network's step cannot be captured as a CUDA graph "
                f"({str(error).splitlines()[0]}); set compile: eager"
            ) from error
        return graph, [x for x in places if x is not None], results
