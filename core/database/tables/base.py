"""What all tables share."""

from sqlmodel import SQLModel

# Constraints need names of their own before a migration can change them on SQLite.
SQLModel.metadata.naming_convention = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Stored(SQLModel):
    """A row of the store."""

    # Rows are not validated: what that takes would be a twentieth of each command's start.
    model_config = {"defer_build": True}
