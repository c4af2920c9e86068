-- One experiment: every list of it with what became of it and why it counts or not (`lists`), the units that do not
-- count (`excluded_units`), the units that do (`units`), and views and clicks of no known list (`orphans`). Days are
-- numbered from 1970-01-01.
CREATE OR REPLACE TABLE lists AS
SELECT
    list_id, unit, variant, override, day, block,
    if(contains(article_id, '/'), split_part(article_id, '/', 1), NULL) AS part,
    len(story_ids) = 0 AS empty, fallback_used, took_ms,
    millionths(same_section) AS same_section, millionths(age_days) AS age_days,
    millionths(diversity) AS diversity, millionths(duplicates) AS duplicates,
    views.list_id IS NOT NULL AS viewed,
    coalesce(clicked.clicks, 0) AS clicks,
    CASE
        WHEN unit = '' THEN 'no_unit'
        WHEN NOT day BETWEEN getvariable('starts') AND getvariable('ends') - 1 THEN 'outside_dates'
        WHEN NOT list_contains(getvariable('arms'), coalesce(variant, '')) THEN 'unknown_variant'
        ELSE 'used'
    END AS reason
FROM exposures
LEFT JOIN (SELECT list_id FROM views) AS views USING (list_id)
LEFT JOIN (SELECT list_id, count(*) AS clicks FROM clicks GROUP BY list_id) AS clicked USING (list_id)
WHERE experiment = getvariable('experiment');

CREATE OR REPLACE TABLE excluded_units AS
WITH busy AS (
    FROM bots(
        getvariable('starts') - getvariable('before_days'), getvariable('ends') - 1,
        getvariable('bot_exposures'), getvariable('bot_clicks')
    )
), seen AS (
    SELECT unit, bool_or(override) AS override, min(variant) <> max(variant) AS two_arms
    FROM lists WHERE reason = 'used' GROUP BY unit
)
SELECT unit, CASE WHEN override THEN 'override' WHEN two_arms THEN 'two_arms' ELSE 'bot' END AS reason
FROM seen LEFT JOIN busy USING (unit)
WHERE override OR two_arms OR busy.unit IS NOT NULL;

UPDATE lists SET reason = excluded_units.reason
FROM excluded_units WHERE lists.unit = excluded_units.unit AND lists.reason = 'used';

CREATE OR REPLACE TABLE units AS
WITH used AS (
    SELECT
        unit, any_value(variant) AS arm, min(day) AS first_day,
        count(*) AS lists, count(*) FILTER (viewed) AS viewed,
        sum(clicks)::BIGINT AS clicks, coalesce(sum(clicks) FILTER (viewed), 0)::BIGINT AS viewed_clicks,
        count(*) FILTER (empty) AS empty, count(*) FILTER (viewed AND NOT empty) AS filled_viewed,
        count(*) FILTER (fallback_used) AS fallback,
        coalesce(sum(same_section), 0)::BIGINT AS same_section, count(same_section) AS same_section_lists,
        coalesce(sum(age_days), 0)::BIGINT AS age_days, count(age_days) AS age_days_lists,
        coalesce(sum(diversity), 0)::BIGINT AS diversity, count(diversity) AS diversity_lists,
        coalesce(sum(duplicates), 0)::BIGINT AS duplicates, count(duplicates) AS duplicates_lists
    FROM lists WHERE reason = 'used' GROUP BY unit
), pre_lists AS (
    SELECT list_id, unit FROM exposures
    WHERE day BETWEEN getvariable('starts') - getvariable('before_days') AND getvariable('starts') - 1
), pre_clicks AS (
    SELECT list_id, count(*) AS clicks FROM clicks WHERE day < getvariable('starts') GROUP BY list_id
), before AS (
    SELECT unit, count(*) AS pre_lists, coalesce(sum(clicks), 0)::BIGINT AS pre_clicks
    FROM pre_lists LEFT JOIN pre_clicks USING (list_id) GROUP BY unit
)
SELECT used.*, coalesce(pre_clicks, 0) AS pre_clicks, coalesce(pre_lists, 0) AS pre_lists
FROM used LEFT JOIN before USING (unit);

-- By variant as the views and clicks say it: those of lists that the log does not have, and all.
CREATE OR REPLACE TABLE orphans AS
SELECT coalesce(line.variant, '') AS arm, count(*) FILTER (lists.list_id IS NULL) AS orphans, count(*) AS events
FROM line LEFT JOIN lists USING (list_id)
WHERE status = 'accepted' AND kind IN ('view', 'click') AND experiment = getvariable('experiment')
GROUP BY ALL;
