"""When a schedule is due (deckhouse-platform.md §2.4), with `cronsim`; times are UTC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cronsim import CronSim, CronSimError

from metallb_lab.operator.errors import HookError

if TYPE_CHECKING:
    from datetime import datetime


def next_due(crontab: str, after: datetime) -> datetime:
    """Give the first time after another; raises HookError for what is no crontab."""
    try:
        return next(CronSim(crontab, after))
    except CronSimError as error:
        raise HookError(f"crontab {crontab!r}: {error}") from error
    except StopIteration:
        raise HookError(f"crontab {crontab!r} is never due") from None
