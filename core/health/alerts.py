"""Telling others of trouble: a command of the user's, and any service that Apprise knows.

Nobody is told by default. Apprise is imported when there is something to send.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from core.health.events import Event
from core.settings_sections import AlertSettings
from core.text import safe_text

LONGEST = 1000


@dataclass(frozen=True, slots=True)
class Alert:
    """What is told.

    Attributes
    ----------
    severity : {"warning", "failed"}
    check : str
    host : str
        The machine it is about, or who found it.
    message : str
        One line, fit for a terminal.
    count : int
        How often the trouble has come.
    """

    severity: str
    check: str
    host: str
    message: str
    count: int = 1

    @classmethod
    def of(cls, event: Event, host: str) -> Alert:
        """Tell of an event, found on a host unless it names another."""
        where = safe_text(event.host or host)
        return cls(event.severity, event.check, where, safe_text(event.message, LONGEST), event.count)

    @property
    def title(self) -> str:
        """A line for services that show one above the message."""
        return f"AstrID on {self.host}: {self.check} {self.severity}"


def send(alert: Alert, settings: AlertSettings) -> str | None:
    """Tell everybody who is named in the settings; why not all were reached, or none."""
    problems = [_run(alert, settings)] if settings.command else []
    if settings.urls:
        problems += _notify(alert, [url.get_secret_value() for url in settings.urls])
    return "; ".join(filter(None, problems)) or None


def _run(alert: Alert, settings: AlertSettings) -> str | None:
    """Run the user's command: the message is its input, and everything is in its environment."""
    environment = {
        "ASTRID_ALERT_SEVERITY": alert.severity,
        "ASTRID_ALERT_CHECK": alert.check,
        "ASTRID_ALERT_HOST": alert.host,
        "ASTRID_ALERT_MESSAGE": alert.message,
        "ASTRID_ALERT_COUNT": str(alert.count),
    }
    name = settings.command[0]
    try:
        told = subprocess.run(
            settings.command,
            input=f"{alert.title}\n{alert.message}\n".encode(),
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=settings.timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{name} took longer than {settings.timeout_s:g} s"
    except OSError as error:
        return f"{name} cannot be run: {error.strerror or error}"
    return f"{name} ended with exit code {told.returncode}" if told.returncode else None


def _notify(alert: Alert, urls: Sequence[str]) -> list[str]:
    """Tell each service; those that were not reached, without what is secret in their URLs."""
    try:
        from apprise import Apprise, AppriseAsset, NotifyType
    except ImportError:
        return ["Apprise is not installed"]
    kind = NotifyType.FAILURE if alert.severity == "failed" else NotifyType.WARNING
    asset = AppriseAsset(app_id="AstrID", app_desc="AstrID", app_url="")
    problems = []
    for url in urls:
        service = Apprise(asset=asset)
        scheme = urlsplit(url).scheme or "a service"
        if not service.add(url):
            problems.append(f"{scheme}: Apprise knows no such service")
        elif not service.notify(title=alert.title, body=alert.message, notify_type=kind):
            problems.append(f"{scheme}: the message was not taken")
    return problems
