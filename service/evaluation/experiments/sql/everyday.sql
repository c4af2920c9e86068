-- Everyday figures (views of read.sql): the lists of the days from `first_day` to `last_day` that readers got.
CREATE OR REPLACE TABLE everyday AS
SELECT
    exposures.day, block, policy, article_id, story_ids, unit, clicked.story_ids_clicked,
    views.list_id IS NOT NULL AS viewed,
    coalesce(len(clicked.story_ids_clicked), 0) AS clicks,
    unit IN (SELECT unit FROM bots(
        getvariable('first_day'), getvariable('last_day'), getvariable('bot_exposures'), getvariable('bot_clicks')
    )) AS bot
FROM exposures
LEFT JOIN (SELECT list_id FROM views) AS views USING (list_id)
LEFT JOIN (SELECT list_id, list(clicked_id) AS story_ids_clicked FROM clicks GROUP BY list_id) AS clicked USING (list_id)
WHERE exposures.day BETWEEN
    coalesce(getvariable('first_day'), exposures.day) AND coalesce(getvariable('last_day'), exposures.day);

CREATE OR REPLACE MACRO everyday_by(name) AS TABLE
    SELECT
        CASE name
            WHEN 'day' THEN (DATE '1970-01-01' + day)::VARCHAR WHEN 'block' THEN block WHEN 'policy' THEN policy ELSE article_id
        END AS value,
        count(*) AS lists, count(*) FILTER (viewed) AS views, sum(clicks)::BIGINT AS clicks,
        count(DISTINCT unit) AS readers
    FROM everyday WHERE NOT bot GROUP BY value;

-- A story, wherever it was a teaser.
CREATE OR REPLACE MACRO everyday_stories() AS TABLE
    WITH shown AS (
        SELECT unnest(list_distinct(story_ids)) AS value, unit, viewed, story_ids_clicked FROM everyday WHERE NOT bot
    )
    SELECT
        value, count(*) AS lists, count(*) FILTER (viewed) AS views,
        count(*) FILTER (list_contains(story_ids_clicked, value)) AS clicks, count(DISTINCT unit) AS readers
    FROM shown GROUP BY value;
