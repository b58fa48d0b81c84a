"""The baseline: the same HTTP stack and the same writer, one bare row a job, nothing checked, nothing else written.

`python -m bench.bare_server DATABASE_URL PORT`
"""

import json
import sys
from datetime import UTC, datetime

import uvicorn
from fastapi import FastAPI, Response
from sqlalchemy import Column, MetaData, String, Table, Text, insert

from suanlian.api.deps import RawBody
from suanlian.model.ids import new_id
from suanlian.store.engine import open_store
from suanlian.store.unit import Unit
from suanlian.store.writer import Writer

METADATA = MetaData()
BARE = Table("bare", METADATA, Column("id", String(36), primary_key=True), Column("body", Text, nullable=False))


def make_app(database_url: str) -> FastAPI:
    """Two routes that only insert: one row, or one row for each of `jobs`."""
    store = open_store(database_url)
    with store.writing.begin() as connection:
        METADATA.create_all(connection)
    writer = Writer(store, clock=lambda: datetime.now(UTC), on_commit=lambda _topics: None)
    app = FastAPI()

    def keep(rows: list[dict[str, str]]) -> Response:
        def work(unit: Unit) -> None:
            unit.connection.execute(insert(BARE), rows)

        writer.run(work)
        return Response(json.dumps([row["id"] for row in rows]), media_type="application/json")

    @app.post("/v1/jobs")
    def one(body: RawBody) -> Response:
        return keep([{"id": new_id(), "body": body.decode()}])

    @app.post("/v1/jobs:batch")
    def many(body: RawBody) -> Response:
        return keep([{"id": new_id(), "body": json.dumps(job)} for job in json.loads(body)["jobs"]])

    return app


if __name__ == "__main__":
    uvicorn.run(make_app(sys.argv[1]), host="127.0.0.1", port=int(sys.argv[2]), access_log=False, log_level="warning")
