"""The audit of signals holds what each change added and removed, in place of the whole set after it.

Revision ID: 0002
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_audit = sa.table("audit", *(sa.column(name) for name in ("number", "action", "article_id", "detail")))


def upgrade() -> None:
    connection = op.get_bind()
    entries = sa.select(_audit).where(_audit.c.action == "signals").order_by(_audit.c.number)
    sets: dict[str, list[object]] = {}
    for row in connection.execute(entries).all():
        if row.detail:  # what an erased article had is gone
            given, before = json.loads(row.detail), sets.get(row.article_id, [])
            change = {
                "added": [signal for signal in given if signal not in before],
                "removed": [signal for signal in before if signal not in given],
            }
            sets[row.article_id] = given
            changed = sa.update(_audit).where(_audit.c.number == row.number)
            connection.execute(changed.values(detail=json.dumps(change, ensure_ascii=False)))
