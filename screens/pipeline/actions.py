"""What can be done on the pipeline screen, beyond what works on all of them."""

from screens.action import Action, Situation, Where, no_store, no_writing


def _no_run(now: Situation) -> str | None:
    if reason := no_writing(now):
        return reason
    return None if now.state == "running" else "the run under the cursor is not at work"


ACTIONS: tuple[Action, ...] = (
    Action(
        "pipeline:pane-before", ("shift+tab", "h"), "pane back", "pane before", Where.PIPELINE, "Pipeline",
        why_disabled=no_store,
    ),
    Action(
        "pipeline:frames", ("l",), "all frames", "every frame that failed of the cause under the cursor",
        Where.PIPELINE, "Pipeline", 4, why_disabled=no_store,
    ),
    Action(
        "pipeline:start", ("s",), "start", "start a run, which outlives this console", Where.PIPELINE,
        "Pipeline", 7, why_disabled=no_writing,
    ),
    Action(
        "pipeline:kill", ("K",), "kill", "stop the run under the cursor; a second time gives its frames back",
        Where.PIPELINE, "Pipeline", 8, dangerous=True, why_disabled=_no_run,
    ),
)  # fmt: skip
