"""Ray Train with its controller in the driver: a run starts four Python processes fewer, each with imports of seconds.

Ray Train itself makes the controller an actor, with a second one that removes the placement group should the controller die,
a third one for data sets of Ray Data and a fourth one for resources. It gives the workers an environment of their own, so that
no process that Ray holds ready can be used. A driver of ours lives as long as its run, and Ray removes what belongs to a driver
that is gone (decision 0017).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

import ray
from ray.train.torch import TorchTrainer
from ray.train.v2._internal.callbacks import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.execution.controller import TrainController
from ray.train.v2._internal.execution.scaling_policy import FixedScalingPolicy
from ray.train.v2._internal.execution.worker_group import WorkerGroup

# They would start an actor each. Nothing here is a Ray Data set.
NOT_NEEDED = (PlacementGroupCleanerCallback, DatasetsCallback)


class DriverWorkers(WorkerGroup):  # type: ignore[misc]
    """Workers whose controller is no actor."""

    def _init_train_context_on_workers(self, workers: list[Any], sync_actor: Any, arguments: dict[str, list[Any]]) -> None:
        """As in Ray Train, but there is no handle of the controller: workers use one only to ask for Ray's checkpoints."""
        settings = {
            "train_run_context": self._train_run_context,
            "synchronization_actor": sync_actor,
            "storage_context": self._storage_context,
            "worker_callbacks": self._worker_callbacks_to_propagate,
            "controller_actor": None,
        }
        contexts = []
        for index, worker in enumerate(workers):
            own = {name: values[index] for name, values in arguments.items()}
            context = worker.distributed_context
            contexts.append(worker.actor.init_train_context.remote(distributed_context=context, **settings, **own))
        ray.get(contexts)
        self._decorate_worker_log_file_paths(workers)

    @staticmethod
    def _get_worker_runtime_env(custom_runtime_env: Any) -> Any:
        """A local Ray has the variables of this process already."""
        return WorkerGroup._get_worker_runtime_env(custom_runtime_env) if "RAY_ADDRESS" in os.environ else {}


class FixedSize(FixedScalingPolicy):  # type: ignore[misc]
    """Asks nobody for nodes: ssgan.cluster.resources did, and the placement group holds them.

    Ray Train's own policy starts an actor for that, and waits up to 5 s for it before the first worker, twice.
    """

    def after_controller_start(self, train_run_context: Any) -> None:
        pass

    def _maybe_send_resource_request(self) -> None:
        pass


class Controller(TrainController):  # type: ignore[misc]
    """Ray Train's, with these workers."""

    worker_group_cls = DriverWorkers
    interrupted = False

    async def _step(self) -> Any:
        """The next step, unless Ctrl-C came: where it meets C code it turns into a SystemError, which Ray Train would retry."""
        if self.interrupted:
            raise KeyboardInterrupt
        return await super()._step()


@contextlib.contextmanager
def noting_signals(controller: Controller) -> Iterator[None]:
    """Inside, Ctrl-C and SIGTERM do what they did before, and the controller knows of them."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: FrameType | None) -> None:
        controller.interrupted = True
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    main = threading.current_thread() is threading.main_thread()
    ours = [number for number, handler in before.items() if main and handler is signal.default_int_handler]
    try:
        for number in ours:
            signal.signal(number, note)
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])


class DriverTrainer(TorchTrainer):  # type: ignore[misc]
    """Runs the controller in this process. Ctrl-C stays KeyboardInterrupt, which Ray's own handler would make code 0 or 1."""

    def _initialize_and_run_controller(self, callbacks: list[Any], **settings: Any) -> Any:
        kept = [callback for callback in callbacks if not isinstance(callback, NOT_NEEDED)]
        if not self.scaling_config.elasticity_enabled:
            settings["scaling_policy"] = FixedSize(self.scaling_config)
        loop = asyncio.new_event_loop()  # asyncio.run would hold Ctrl-C back until what blocks the loop has returned
        try:
            controller = Controller(callbacks=kept, **settings)
            with noting_signals(controller):
                loop.run_until_complete(controller.run())
            return controller.get_result()
        finally:
            loop.close()
