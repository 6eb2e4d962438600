"""What can be done on the models screen, beyond what works on all of them."""

from screens.action import Action, Situation, Where, no_change, no_writing


def _no_training(now: Situation) -> str | None:
    if reason := no_writing(now):
        return reason
    return None if now.state == "running" else "the training under the cursor is not at work"


ACTIONS: tuple[Action, ...] = (
    Action(
        "models:train", ("t",), "train", "start a training, which outlives this console", Where.MODELS,
        "Models", 7, why_disabled=no_writing,
    ),
    Action(
        "models:promote", ("P",), "promote", "use the version under the cursor from the next frame on",
        Where.MODELS, "Models", 6, dangerous=True, why_disabled=no_change,
    ),
    Action(
        "models:rollback", ("R",), "roll back", "let the version that was in use before be used again",
        Where.MODELS, "Models", 5, dangerous=True, why_disabled=no_change,
    ),
    Action(
        "models:stop", ("K",), "stop", "stop the training under the cursor", Where.MODELS,
        "Models", 4, dangerous=True, why_disabled=_no_training,
    ),
)  # fmt: skip
