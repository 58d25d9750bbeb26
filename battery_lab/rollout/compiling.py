"""Compiling a gradient step in a process of its own, so that a start does not wait for it.

    python -m battery_lab.rollout.compiling <job> <package>

torch's ahead-of-time inductor writes C++, which g++ builds; what comes out is loaded in milliseconds. It is kept by
what went into it, so that the next run finds it. Whether a run uses it, and from which step on, never depends on how
long that took: runs repeat.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import logging
import os
import pickle
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ray
import torch
from torch import nn

from battery_lab.rollout.gradients import Losses, Program, Tensors, by_autograd, trained

log = logging.getLogger(__name__)
AGREES = 1e-3  # largest difference from autograd, as a share of a gradient's largest entry
KEPT_LINES = 3
SAID = "said"
PLAIN = (int, float, str, bool, tuple, slice)


class CompiledGradients:
    """Gradients by autograd at first, and by a compiled program from a given gradient step on.

    Where the program cannot be had, a line in the log says why, and autograd goes on.
    """

    def __init__(self, losses: Losses, module: nn.Module, cache: Path | None, after: int) -> None:
        """Set up; nothing is compiled before the first minibatch shows its shape.

        Args:
            losses: what is descended.
            module: the networks.
            cache: where compiled programs are kept; None compiles nothing.
            after: gradient steps by autograd before the compiled program takes over.
        """
        self._losses, self._module = losses, module
        self._cache, self._after = cache, after
        self._job: subprocess.Popen[bytes] | None = None
        self._scratch: TemporaryDirectory[str] | None = None
        self._package: Path | None = None
        self._loaded: Any = None
        self._shapes: Any = None
        self._figures: list[str] = []
        self._parameters: list[torch.Tensor] = []
        self._program = Program(losses, module)

    def __call__(self, batch: Tensors, coefficients: Tensors, steps: int) -> Tensors:
        """Set the gradients of a minibatch and return figures of it.

        Args:
            batch: columns of the minibatch, (B, ...).
            coefficients: weights that change while training, and parameters that belong to no network.
            steps: gradient steps that were taken before, in this run and those that it resumes.
        """
        if self._cache is not None and self._package is None:
            try:
                self._start(batch, coefficients)
            except (OSError, pickle.PicklingError, AttributeError, TypeError) as error:
                self._do_without(error)
        if self._cache is not None and self._loaded is None and steps >= self._after:
            self._take_over(batch, coefficients)
        if self._loaded is None or shapes(batch) != self._shapes:
            return self._by_autograd(batch, coefficients)
        return self._run(batch, coefficients)

    def _by_autograd(self, batch: Tensors, coefficients: Tensors) -> Tensors:
        return by_autograd(self._losses, self._module, self._trained(coefficients), batch, coefficients)

    def _trained(self, coefficients: Tensors) -> list[torch.Tensor]:
        """Return all that has a gradient; to look through a module takes as long as a small loss."""
        if not self._parameters:
            self._parameters = trained(self._module, coefficients)
        return self._parameters

    def _run(self, batch: Tensors, coefficients: Tensors) -> Tensors:
        groups = self._program.arguments(batch, coefficients)
        results = self._loaded.run([tensor.detach() for group in groups for tensor in group])
        parameters = self._trained(coefficients)
        for parameter, gradient in zip(parameters, results, strict=False):
            parameter.grad = gradient
        return dict(zip(self._figures, results[len(parameters) :], strict=True))

    def _start(self, batch: Tensors, coefficients: Tensors) -> None:
        """Have the program compiled, unless there is one."""
        self._shapes = shapes(batch)
        key = program_key(self._losses, self._module, batch, coefficients)
        assert self._cache is not None
        self._package = self._cache / f"{key}.pt2"
        if self._package.is_file():
            return
        if not any(shutil.which(name) for name in filter(None, (os.environ.get("CXX"), "g++", "clang++"))):
            self._do_without("there is no C++ compiler; `make system` installs g++")
            return
        self._cache.mkdir(parents=True, exist_ok=True)
        self._scratch = TemporaryDirectory(prefix=f"{key[:8]}_", dir=self._cache)
        job = Path(self._scratch.name) / "job"
        job.write_bytes(pickle.dumps((self._losses, self._module, batch, coefficients, torch.get_num_threads())))
        command = [sys.executable, "-m", "battery_lab.rollout.compiling", str(job), str(self._package)]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "TORCHINDUCTOR_CACHE_DIR": str(job.parent / "inductor"),
        }
        with (job.parent / SAID).open("wb") as said:
            self._job = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for the training, which finishes its iteration and may need the program for it.
                start_new_session=True,
            )
        atexit.register(self.close)

    def _do_without(self, reason: object) -> None:
        log.warning("gradient steps are not compiled, and go on as they are: %s", reason)
        self._loaded = self._cache = None
        self.close()

    def _take_over(self, batch: Tensors, coefficients: Tensors) -> None:
        """Wait for the program if need be, try it on a minibatch, and use it from here on."""
        assert self._package is not None
        try:
            if self._job is not None and self._job.wait() != 0:
                assert self._scratch is not None
                said = (Path(self._scratch.name) / SAID).read_text(errors="replace").strip()
                raise RuntimeError(" ".join(said.splitlines()[-KEPT_LINES:]))
            self._load()
            self._check(batch, coefficients)
        except (RuntimeError, OSError, ValueError, AttributeError) as error:
            # The next run makes it anew.
            for path in (self._package, self._package.with_suffix(".json")):
                path.unlink(missing_ok=True)
            self._do_without(error)
        else:
            self.close()

    def _load(self) -> None:
        assert self._package is not None
        self._figures = json.loads(self._package.with_suffix(".json").read_text())
        # The documented loader imports all of torch's compiler, for seconds, around this one.
        self._loaded = torch._C._aoti.AOTIModelPackageLoader(str(self._package), "model", False, 1, -1)

    def _check(self, batch: Tensors, coefficients: Tensors) -> None:
        """Raise RuntimeError unless the compiled program does what autograd does."""
        self._run(batch, coefficients)
        parameters = self._trained(coefficients)
        compiled = [parameter.grad for parameter in parameters]
        self._by_autograd(batch, coefficients)
        for parameter, gradient in zip(parameters, compiled, strict=True):
            wanted = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            largest = float(wanted.abs().max())
            if gradient is None or not float((gradient - wanted).abs().max()) <= AGREES * largest + 1e-7:
                raise RuntimeError(f"the compiled program {self._package} gives other gradients")

    def close(self) -> None:
        """End the compilation, if it still goes on, and leave nothing of it."""
        if self._job is not None and self._job.poll() is None:
            # The compilers that it started go with it.
            os.killpg(self._job.pid, signal.SIGKILL)
            self._job.wait()
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None
        atexit.unregister(self.close)


def shapes(batch: Tensors) -> list[tuple[str, tuple[int, ...]]]:
    """Return the shapes of a minibatch's columns."""
    return [(name, tuple(batch[name].shape)) for name in sorted(batch)]


def program_key(losses: Losses, module: nn.Module, batch: Tensors, coefficients: Tensors) -> str:
    """Return a name for the program that these make on this machine and with these sources."""
    hasher = hashlib.sha256()
    for source in sorted(Path(__file__).parents[1].rglob("*.py")):
        if source.parent.name in ("rollout", "networks", "algos"):
            hasher.update(source.read_bytes())
    for part in module.modules():
        # What a network was set up with, of which its printed form says only what its authors chose.
        plain = {name: value for name, value in vars(part).items() if isinstance(value, PLAIN)}
        hasher.update(repr((type(part).__qualname__, sorted(plain.items()))).encode())
    tensors = {**dict(module.named_parameters()), **coefficients, **batch}
    signature = [(name, tuple(t.shape), str(t.dtype), t.requires_grad) for name, t in tensors.items()]
    machine = (torch.__version__, ray.__version__, torch.backends.cpu.get_cpu_capability(), torch.get_num_threads())
    hasher.update(repr((losses, str(module), signature, machine)).encode())
    return hasher.hexdigest()[:32]


def compile_program(job: Path, package: Path) -> None:
    """Trace, compile and store the program that a job file describes."""
    from torch.fx.experimental.proxy_tensor import make_fx

    # Written a moment ago by the process that started this one.
    losses, module, batch, coefficients, threads = pickle.loads(job.read_bytes())
    torch.set_num_threads(threads)
    program = Program(losses, module)
    names = (sorted(coefficients), sorted(batch))
    arguments = program.arguments(batch, coefficients)
    graph = make_fx(lambda *groups: program(names, *groups))(*arguments)
    with torch.no_grad():
        plain = tuple([tensor.detach() for tensor in group] for group in arguments)
        exported = torch.export.export(graph, plain, strict=False)
        part = job.with_suffix(".pt2")
        torch._inductor.aoti_compile_and_package(exported, package_path=str(part))
    names_part = job.with_suffix(".json")
    names_part.write_text(json.dumps(program.figures))
    # The package last: where it is, its names are.
    os.replace(names_part, package.with_suffix(".json"))
    os.replace(part, package)


if __name__ == "__main__":
    compile_program(Path(sys.argv[1]), Path(sys.argv[2]))
