"""Telling others of trouble: a command of the user's, and any service that Apprise knows.

Nobody is told by default. Apprise is imported when there is something to send.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass

from core.health.events import Event
from core.settings_sections import AlertSettings
from core.text import safe_text

LONGEST = 1000
_KIND = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}")


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


def receivers(settings: AlertSettings) -> tuple[str, ...]:
    """Whoever is named in the settings, such as ``command``, ``mailto`` and ``mailto 2``: nothing secret."""
    found = ["command"] if settings.command else []
    for url in settings.urls:
        service = _service(url.get_secret_value())
        of_kind = sum(each == service or each.startswith(f"{service} ") for each in found)
        found.append(f"{service} {of_kind + 1}" if of_kind else service)
    return tuple(found)


def _service(url: str) -> str:
    """Of what kind a service is; what is no URL may hold a password anywhere."""
    kind, is_url, _ = url.partition("://")
    return kind if is_url and _KIND.fullmatch(kind) else "service"


def send(alert: Alert, settings: AlertSettings, receiver: str) -> str | None:
    """Tell one of the receivers; why it did not take the message, or none."""
    place = receivers(settings).index(receiver) - bool(settings.command)
    return _run(alert, settings) if place < 0 else _notify(alert, settings.urls[place].get_secret_value())


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


def _notify(alert: Alert, url: str) -> str | None:
    """Tell a service; why it was not reached, without what is secret in its URL."""
    try:
        from apprise import Apprise, AppriseAsset, NotifyType
    except ImportError:
        return "Apprise is not installed"
    kind = NotifyType.FAILURE if alert.severity == "failed" else NotifyType.WARNING
    service = Apprise(asset=AppriseAsset(app_id="AstrID", app_desc="AstrID", app_url=""))
    if not service.add(url):
        return "Apprise knows no such service"
    told = service.notify(title=alert.title, body=alert.message, notify_type=kind)
    return None if told else "the message was not taken"
