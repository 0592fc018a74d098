"""`add_hparams`: what a run was started with."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from .adds import Adds
from .errors import InvalidSummary
from .remote import is_remote
from .summary import Event, scalar

if TYPE_CHECKING:
    from .hparams import Plain, Session

__all__ = ["HParamsAdds"]


class HParamsAdds(Adds):
    """`add_hparams`."""

    _session: Session
    _session_runs: dict[str, dict[str, Plain]]  # by the name of the sub-run, in the order of the calls

    def add_hparams(
        self,
        hparam_dict: Any,
        metric_dict: Mapping[str, Any] | None = None,
        hparam_domain_discrete: Mapping[str, Sequence[Any]] | str | None = None,
        run_name: str | int | None = None,
        global_step: int | None = None,
        walltime: float | None = None,
        *,
        step: int | None = None,
        name: str | None = None,
        mode: Literal["run", "subrun"] = "run",
    ) -> None:
        """Logs the hyperparameters of this run, and how good it became.

        The first call belongs to this run: its hyperparameters stand beside all its scalars, and its status becomes
        `SUCCESS` when the writer is closed or the program ends, and `FAILURE` when an exception ends `with` or the
        program. Calling again with equal hyperparameters adds metrics. With others, or with a `run_name`, a run of
        its own is made below this one, as a loop over settings with one writer needs; it succeeds at once.

        Args:
            hparam_dict: values by name: bool, numbers, strings; NumPy's numbers and tensors of one element, None
                (left out), lists (as JSON), mappings within (`outer/inner`), anything else by its text. Also a
                dataclass, or argparse's namespace.
            metric_dict: numbers by tag, also written as scalars. The first call's are the columns of TensorBoard's
                dashboard: give the tags of scalars that you log anyway, with a first value; or None, for all of the
                run's scalars.
            hparam_domain_discrete: for some names, the list of all values that are tried.
            run_name: the directory below this run's for these hyperparameters.
            global_step: the step of the metrics, an integer; 0 when absent.
            walltime: seconds since 1970; now when absent.
            step: short name for `global_step`.
            name: tensorboardX's name for `run_name`; its places, third and fourth for name and step, are taken too.
            mode: `subrun` makes torch's run below this one, named by the time of the call, for the first call too.

        Raises:
            InvalidSummary: a mapping is none, a metric no number, a domain does not fit, or the step is no integer.
                Nothing is logged then.
        """
        if isinstance(hparam_domain_discrete, str):
            hparam_domain_discrete, name = None, name or hparam_domain_discrete
        if run_name is not None and not isinstance(run_name, str):
            run_name, global_step = None, run_name if global_step is None else global_step
        if mode not in ("run", "subrun"):
            raise InvalidSummary(f"add_hparams: expected mode 'run' or 'subrun', got {mode!r}")
        from .hparams import hparams_of, metrics_of, session_end, session_start

        hparams, metrics = hparams_of(hparam_dict), metrics_of(metric_dict or {})
        when = self._when("add_hparams", "hparam_dict", global_step, step, walltime)
        start = session_start(hparams, None if metric_dict is None else list(metrics), hparam_domain_discrete, when[1])
        sub_run = self._sub_run_for(hparams, run_name or name, mode)
        events = [Event(*when, scalar(tag, value)) for tag, value in metrics.items()]
        if sub_run is not None or self._session.hparams is None:
            events = [Event(*when, summary) for summary in start] + events
        if sub_run is None or not self._has_runs():
            for event in events:
                self.write(event)
            if self._session.hparams is None:
                self._session.begin(hparams, when[0])
            return
        own = self._sub_run(sub_run, "add_hparams")
        for event in [*events, Event(*when, session_end(False, time.time()))]:
            own.write(event)
        own.close()

    def _sub_run_for(self, hparams: dict[str, Plain], name: str | None, mode: str) -> str | None:
        """The name of the run below this one that hyperparameters go to, or None for this one."""
        if name:
            return name
        if mode == "subrun":
            stamp = time.time()
            while self._is_there(str(stamp)):
                stamp += 1e-6
            return str(stamp)
        if self._session.hparams in (None, hparams):
            return None
        for known, values in self._session_runs.items():
            if values == hparams:
                return known
        # One that an earlier process made has hyperparameters that TensorBoard would go on showing. Asking a remote
        # store could take long; a name with the time in it is new without asking.
        prefix = f"hparams_{time.time():.0f}_" if is_remote(self.log_dir) else "hparams_"
        number = len(self._session_runs) + 1
        while self._is_there(f"{prefix}{number}"):
            number += 1
        self._session_runs[f"{prefix}{number}"] = hparams
        return f"{prefix}{number}"

    def _is_there(self, name: str) -> bool:
        if is_remote(self.log_dir):
            return name in self._sub_runs
        return os.path.exists(os.path.join(self.log_dir, name))
