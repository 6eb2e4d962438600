"""How AstrID's extras are installed: what networks, S3 stores and browsers need besides."""


def lacking(extra: str) -> str:
    """What to do where an extra is needed that AstrID was installed without."""
    return (
        f"install AstrID with its extra '{extra}' beside those that it has, as by "
        f"`pipx install --force '.[{extra}]'` in its folder"
    )
