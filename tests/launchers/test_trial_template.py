"""Templates of local trials: forked trials are like new processes, and the end of a template harms none."""

from __future__ import annotations

import json
import os
import selectors
import signal
import sys
from pathlib import Path

import pytest
from hydra_plugins.battery_lab_launchers._trial_template import TrialTemplate, TrialTemplates

from tests.launchers.stub_hydra_app import App, children, is_gone, is_template, is_trial, until

pytestmark = [pytest.mark.walk, pytest.mark.skipif(sys.platform != "linux", reason="Linux only")]

STATE = """
import json, os, random, signal, sys
from pathlib import Path

imported_by = os.getpid()

def as_json():
    import numba, numpy, torch
    matrix = numpy.random.default_rng(0).standard_normal((500, 500))
    torch.manual_seed(0)
    product = torch.randn(500, 500) @ torch.randn(500, 500)
    same = {
        "cores": len(os.sched_getaffinity(0)),
        "threads": [torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS, numba.get_num_threads()],
        "products": [float((matrix @ matrix).sum()), float(product.double().sum())],
        "directory": os.getcwd(),
        "path": sys.path,
        "environment": dict(os.environ),
        "handlers": [getattr(signal.getsignal(n), "__qualname__", str(signal.getsignal(n))) for n in range(1, 32)],
        "modules": sorted(sys.modules),
        "input": sys.stdin.read(),
        "files": len(os.listdir("/proc/self/fd")),
    }
    own = {
        "group": os.getpgid(0) == os.getpid(),
        "session": os.getsid(0) != os.getpid(),
        "parent": os.getppid(),
        "name": Path("/proc/self/comm").read_text().strip(),
        "imported": imported_by == os.getpid(),
        "random": [random.random(), float(numpy.random.random())],
    }
    return json.dumps({"same": same, "own": own})
"""
SECOND_THREAD = """
import sys, threading, time
if "_template_process" in " ".join(sys.orig_argv):
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
"""
FEW_MODULES = ["rich.console"]


@pytest.fixture
def app(tmp_path):
    app = App(tmp_path)
    (app.home / "state.py").write_text(STATE)
    return app


def states(app):
    return [json.loads((app.trial(number) / "state.json").read_text()) for number in (0, 1)]


def test_a_forked_trial_is_like_a_new_process(app):
    status, output = app.run("does=state", "number=1,2")
    assert status == 0, output
    forked = states(app)
    # With a second thread in it, a template may not fork.
    (app.home / "sitecustomize.py").write_text(SECOND_THREAD)
    status, output = app.run("does=state", "number=1,2", "hydra.sweep.dir=again")
    assert status == 0, output
    app.sweep = "again"
    new = states(app)
    assert {state["own"]["name"] for state in forked} == {"trial"}
    assert "trial" not in {state["own"]["name"] for state in new}
    modules = {"hydra_plugins.battery_lab_launchers._local_worker", "sitecustomize"}
    for state in (*forked, *new):
        own, same = state["own"], state["same"]
        same["modules"] = sorted({*same["modules"]} - modules)
        assert own["group"] and own["session"] and own["imported"]
    assert [state["same"] for state in forked] == [state["same"] for state in new]
    draws = [draw for state in (*forked, *new) for draw in state["own"]["random"]]
    assert len({*draws}) == 8
    assert forked[0]["own"]["parent"] == forked[1]["own"]["parent"]


def test_a_killed_template_ends_no_trial_and_is_replaced(app):
    launcher = app.start("does=go", "number=1,2", "hydra.launcher.parallel=1")
    until(lambda: app.processes(0))
    (first,) = filter(is_template, children(launcher.pid))
    os.kill(first, signal.SIGKILL)
    until(lambda: is_gone(first))
    (app.trial(0) / "go").touch()
    until(lambda: app.processes(1))
    (second,) = filter(is_template, children(launcher.pid))
    assert is_trial(app.processes(1)[0])
    (app.trial(1) / "go").touch()
    output, _ = launcher.communicate(timeout=60)
    assert launcher.returncode == 0, output
    assert app.outcomes() == [(0, "done", 0.5), (1, "done", 1.0)]
    assert is_gone(second)


def test_a_template_ends_with_its_launcher_and_so_do_its_trials(app):
    launcher = app.start("does=wait")
    until(lambda: app.processes(0))
    (template,) = filter(is_template, children(launcher.pid))
    trial = app.processes(0)[0]
    assert trial in children(launcher.pid)
    assert len({os.getpgid(process) for process in (launcher.pid, template, trial)}) == 3
    launcher.kill()
    launcher.communicate()
    until(lambda: is_gone(template) and is_gone(trial))


def test_a_sweep_stops_while_its_template_imports(app):
    slow = "import sys, time\nif '_template_process' in ' '.join(sys.orig_argv): time.sleep(60)\n"
    (app.home / "sitecustomize.py").write_text(slow)
    launcher = app.start("does=nothing", "number=1,2")
    until(lambda: any(map(is_template, children(launcher.pid))))
    templates = list(filter(is_template, children(launcher.pid)))
    until(lambda: app.trial(0).is_dir())
    launcher.send_signal(signal.SIGINT)
    output, _ = launcher.communicate(timeout=30)
    assert "stopped by SIGINT; resume with: battery-lab sweep.resume=sweep" in output
    assert app.outcomes() == [(0, "stopped", None)]
    assert all(map(is_gone, templates)) and not app.processes(0) and not app.trial(1).exists()


def test_a_template_that_cannot_start_leaves_trials_as_they_are(app):
    broken = "import os, sys\nif '_template_process' in ' '.join(sys.orig_argv): os._exit(3)\n"
    (app.home / "sitecustomize.py").write_text(broken)
    status, output = app.run("does=nothing,raise", "number=1")
    assert status == 1
    assert app.outcomes() == [(0, "done", 0.5), (1, "failed", "ValueError: no such thing")]


@pytest.mark.parametrize("modules", [FEW_MODULES, ["battery_lab.algos.bid_curves"], ["battery_lab.algos.ppo"]])
def test_a_template_has_one_thread_when_it_can_fork(modules):
    selector = selectors.DefaultSelector()
    templates = TrialTemplates(selector)
    try:
        template = templates.get(modules, os.sched_getaffinity(0))
        assert isinstance(template, TrialTemplate)
        assert selector.select(120)
        templates.read(template)
        assert template.is_ready
        (process,) = filter(is_template, children(os.getpid()))
        assert len(list(Path(f"/proc/{process}/task").iterdir())) == 1
    finally:
        templates.close()


def test_templates_are_shared_by_what_they_import_and_only_the_last_ones_are_kept():
    selector = selectors.DefaultSelector()
    templates = TrialTemplates(selector)

    def get(*modules):
        return templates.get(modules, None)

    try:
        first, second = get("rich.console"), get("rich.table")
        assert get("rich.console") is first is not second
        # Trials wait for both.
        assert get("rich.tree") is None and not first.is_lost and not second.is_lost
        while not (first.is_ready and second.is_ready):
            for key, _ in selector.select(60):
                templates.read(key.data)
            assert not first.is_lost and not second.is_lost
        third = get("rich.tree")
        # The second one was used least recently.
        assert second.is_lost and not first.is_lost and not third.is_lost
        assert get("rich.console") is first
    finally:
        templates.close()
    assert first.is_lost and third.is_lost and not selector.get_map()
