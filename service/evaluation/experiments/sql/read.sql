-- The lines of the segments `files`, once: table `line`, whose `status` says what became of each.
-- A line that is no JSON object comes as a row of nulls; a field of the wrong type as null. Lists go by a hash of their
-- ID: 64 bits, so that of 10^8 lists two are taken for one with a chance of 0.03%. Stories go by `story(id)`.
CREATE TABLE line AS
WITH parsed AS (
    SELECT *, TRY_CAST(floor("at" / 86400) AS INTEGER) AS day
    FROM read_json(
        getvariable('files'),
        format = 'newline_delimited',
        ignore_errors = true,
        filename = 'file',
        columns = {
            kind: 'VARCHAR', "at": 'DOUBLE', occurred_at: 'DOUBLE', list_id: 'VARCHAR', unit: 'VARCHAR',
            article_id: 'VARCHAR', block: 'VARCHAR', policy: 'VARCHAR', experiment: 'VARCHAR', variant: 'VARCHAR',
            override: 'BOOLEAN', channel: 'VARCHAR', fallback_used: 'BOOLEAN', took_ms: 'DOUBLE',
            same_section: 'DOUBLE', age_days: 'DOUBLE', diversity: 'DOUBLE', duplicates: 'DOUBLE',
            items: 'STRUCT(id VARCHAR, team VARCHAR)[]', propensities: 'DOUBLE[]', quarantine: 'VARCHAR',
            clicked_id: 'VARCHAR', reason: 'VARCHAR', "count": 'INTEGER'
        }
    )
)
SELECT
    kind, "at" AS received_at, day, occurred_at, hash(list_id) AS list_id, unit, article_id, block, policy, experiment,
    variant, coalesce(override, false) AS override, channel, coalesce(fallback_used, false) AS fallback_used,
    took_ms, same_section, age_days, diversity, duplicates,
    list_transform(items, lambda item: story(item.id)) AS story_ids,
    if(  -- of most lists no story has a team, and nothing is to be stored
        len(list_filter(items, lambda item: item.team IS NOT NULL)) > 0,
        list_transform(items, lambda item: item.team), NULL
    ) AS teams,
    propensities,
    if(kind = 'click', coalesce(clicked_id, ''), '') AS clicked_id,  -- part of the key of an event: views have none
    reason, "count",
    CASE WHEN kind IS NULL THEN file END AS malformed_file,
    CASE
        WHEN kind IS NULL THEN 'malformed'
        WHEN kind NOT IN ('exposure', 'view', 'click', 'refused') THEN 'unknown_kind'
        WHEN day IS NULL THEN 'incomplete'
        WHEN kind = 'refused' THEN if(reason IS NULL OR "count" IS NULL, 'incomplete', 'refused')
        WHEN parsed.list_id IS NULL OR article_id IS NULL OR block IS NULL OR policy IS NULL THEN 'incomplete'
        WHEN kind = 'exposure' AND (unit IS NULL OR items IS NULL) THEN 'incomplete'
        WHEN kind = 'click' AND parsed.clicked_id IS NULL THEN 'incomplete'
        WHEN quarantine NOT IN ('late', 'future', 'early') THEN 'incomplete'
        ELSE coalesce(quarantine, 'accepted')
    END AS status
FROM parsed;

-- Each (kind, list, clicked story) counts once, the first time; of what came again, what is the same to the letter was
-- written twice by the service, what differs was sent twice by a reader's page.
CREATE TEMP TABLE again AS
WITH several AS (
    SELECT hash(kind, list_id, clicked_id) AS event FROM line WHERE status = 'accepted' GROUP BY ALL HAVING count(*) > 1
), content AS (
    SELECT line.rowid AS row_number, kind, list_id, clicked_id, line AS written
    FROM line
    WHERE status = 'accepted' AND hash(kind, list_id, clicked_id) IN (FROM several)
), ordered AS (
    SELECT row_number, written, row_number() OVER first_wins AS place, lag(written) OVER first_wins AS before
    FROM content
    WINDOW first_wins AS (PARTITION BY kind, list_id, clicked_id ORDER BY written.received_at, written)
)
SELECT row_number, if(written IS NOT DISTINCT FROM before, 'logged_twice', 'replay') AS status
FROM ordered
WHERE place > 1;

UPDATE line SET status = again.status FROM again WHERE line.rowid = again.row_number;
DROP TABLE again;

CREATE VIEW exposures AS SELECT * FROM line WHERE kind = 'exposure' AND status = 'accepted';
CREATE VIEW views AS SELECT * FROM line WHERE kind = 'view' AND status = 'accepted';
CREATE VIEW clicks AS SELECT * FROM line WHERE kind = 'click' AND status = 'accepted';

-- Units that no reader is: with more lists or clicks in a day than these. From a day until another, NULL for any;
-- clicks of the last day's lists may come on the next.
CREATE MACRO bots(first_day, last_day, most_lists, most_clicks) AS TABLE
    SELECT unit
    FROM (SELECT unit, day, count(*) AS lists FROM exposures GROUP BY ALL)
    WHERE lists > most_lists AND day BETWEEN coalesce(first_day, day) AND coalesce(last_day, day)
    UNION
    SELECT unit
    FROM (
        SELECT exposures.unit, clicks.day, count(*) AS n FROM clicks JOIN exposures USING (list_id) GROUP BY ALL
    )
    WHERE n > most_clicks AND day BETWEEN coalesce(first_day, day) AND coalesce(last_day + 1, day);

-- For moments: of whole numbers, exactly, in whatever order the rows come.
CREATE MACRO power_sums(y, x, py, px) AS [
    count(*)::HUGEINT, sum(y)::HUGEINT, sum(x)::HUGEINT, sum(py)::HUGEINT, sum(px)::HUGEINT,
    sum(y::HUGEINT * y)::HUGEINT, sum(y::HUGEINT * x)::HUGEINT, sum(y::HUGEINT * py)::HUGEINT,
    sum(y::HUGEINT * px)::HUGEINT, sum(x::HUGEINT * x)::HUGEINT, sum(x::HUGEINT * py)::HUGEINT,
    sum(x::HUGEINT * px)::HUGEINT, sum(py::HUGEINT * py)::HUGEINT, sum(py::HUGEINT * px)::HUGEINT,
    sum(px::HUGEINT * px)::HUGEINT
];
CREATE MACRO millionths(value) AS TRY_CAST(round(value * 1e6) AS BIGINT);
