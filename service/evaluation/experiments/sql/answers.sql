-- What is asked of one experiment (tables of experiment.sql). A denominator is 'exposures' or 'views'.
CREATE OR REPLACE MACRO arm_counts() AS TABLE
    SELECT arm, count(*), sum(lists)::BIGINT, sum(viewed)::BIGINT, sum(clicks)::BIGINT
    FROM units GROUP BY arm ORDER BY arm;

CREATE OR REPLACE MACRO newcomers() AS TABLE
    SELECT first_day, arm, count(*) FROM units GROUP BY first_day, arm ORDER BY first_day, arm;

CREATE OR REPLACE MACRO lists_by_day() AS TABLE
    SELECT day, variant, count(*) FROM lists WHERE reason = 'used' GROUP BY day, variant ORDER BY day, variant;

CREATE OR REPLACE MACRO views_by_arm() AS TABLE
    SELECT arm, power_sums(filled_viewed, lists - empty, 0, 0) FROM units WHERE lists > empty GROUP BY arm ORDER BY arm;

CREATE OR REPLACE MACRO counted_units(denominator) AS TABLE
    SELECT *, if(denominator = 'views', viewed_clicks, clicks) AS y, if(denominator = 'views', viewed, lists) AS x
    FROM units WHERE x > 0;

CREATE OR REPLACE MACRO arm_moments(denominator) AS TABLE
    SELECT arm, power_sums(y, x, pre_clicks, pre_lists) FROM counted_units(denominator) GROUP BY arm ORDER BY arm;

CREATE OR REPLACE MACRO counted(denominator) AS TABLE
    SELECT * FROM lists WHERE reason = 'used' AND (denominator = 'exposures' OR viewed);

CREATE OR REPLACE MACRO unit_days(denominator) AS TABLE
    SELECT unit, day, sum(clicks)::BIGINT AS y, count(*) AS x FROM counted(denominator) GROUP BY unit, day;

CREATE OR REPLACE MACRO day_moments(denominator) AS TABLE
    SELECT day, arm, power_sums(y, x, pre_clicks, pre_lists)
    FROM unit_days(denominator) JOIN units USING (unit)
    GROUP BY day, arm ORDER BY day, arm;

-- A unit changes the sums on its own days only: what it then is comes in, what it was goes out.
CREATE OR REPLACE MACRO look_changes(denominator) AS TABLE
    WITH running AS (
        SELECT unit, day, sum(y) OVER so_far AS y1, sum(x) OVER so_far AS x1, y1 - y AS y0, x1 - x AS x0
        FROM unit_days(denominator)
        WINDOW so_far AS (PARTITION BY unit ORDER BY day)
    ), turns AS (
        SELECT unit, day, true AS comes, y1 AS y, x1 AS x FROM running
        UNION ALL
        SELECT unit, day, false, y0, x0 FROM running WHERE x0 > 0
    ), sums AS (
        SELECT day, arm, comes, power_sums(y, x, pre_clicks, pre_lists) AS sums
        FROM turns JOIN units USING (unit) GROUP BY day, arm, comes
    )
    SELECT day, arm, came.sums, coalesce(went.sums, list_transform(came.sums, lambda each: 0::HUGEINT))
    FROM (FROM sums WHERE comes) AS came LEFT JOIN (FROM sums WHERE NOT comes) AS went USING (day, arm)
    ORDER BY day, arm;

CREATE OR REPLACE MACRO segment_moments(denominator) AS TABLE
    WITH summed AS (
        SELECT unit, 'block' AS name, block AS value, sum(clicks)::BIGINT AS y, count(*) AS x
        FROM counted(denominator) GROUP BY unit, block
        UNION ALL
        SELECT unit, 'part', part, sum(clicks)::BIGINT, count(*)
        FROM counted(denominator) WHERE part IS NOT NULL GROUP BY unit, part
    ), named AS (
        SELECT name, value, arm, y, x, pre_clicks, pre_lists FROM summed JOIN units USING (unit)
        UNION ALL
        SELECT 'readers', if(pre_lists > 0, 'seen before', 'new'), arm, y, x, pre_clicks, pre_lists
        FROM counted_units(denominator)
    )
    SELECT name, value, arm, power_sums(y, x, pre_clicks, pre_lists)
    FROM named GROUP BY name, value, arm ORDER BY name, value, arm;

CREATE OR REPLACE MACRO guardrail_moments() AS TABLE
    WITH figures AS (
        SELECT arm, unnest([
            {name: 'view_rate', scale: 1.0::DOUBLE, y: viewed, x: lists},
            {name: 'empty_lists', scale: 1.0, y: empty, x: lists},
            {name: 'fallback_lists', scale: 1.0, y: fallback, x: lists},
            {name: 'same_section', scale: 1e-6, y: same_section, x: same_section_lists},
            {name: 'age_days', scale: 1e-6, y: age_days, x: age_days_lists},
            {name: 'diversity', scale: 1e-6, y: diversity, x: diversity_lists},
            {name: 'duplicates', scale: 1e-6, y: duplicates, x: duplicates_lists}
        ], recursive := true)
        FROM units
    )
    SELECT name, scale, arm, power_sums(y, x, 0, 0)
    FROM figures WHERE x > 0 GROUP BY name, scale, arm ORDER BY name, arm;

-- As logged. Of these, the lists of a unit's own arm count.
CREATE OR REPLACE MACRO test_exposures() AS TABLE
    FROM exposures
    WHERE experiment = getvariable('experiment') AND day BETWEEN getvariable('starts') AND getvariable('ends') - 1;

CREATE OR REPLACE MACRO used_exposures() AS TABLE
    FROM test_exposures() JOIN units USING (unit) WHERE variant = arm;

CREATE OR REPLACE MACRO coverage_moments(size) AS TABLE
    WITH grouped AS (
        SELECT unit, arm, (row_number() OVER (PARTITION BY arm ORDER BY hash(unit), unit) - 1) // size AS readers
        FROM units
        QUALIFY readers < count(*) OVER (PARTITION BY arm) // size  -- a smaller rest is left out
    ), placed AS (
        SELECT arm, readers, unnest(story_ids) AS story
        FROM test_exposures() JOIN grouped USING (unit) WHERE variant = arm
    ), shown AS (
        SELECT DISTINCT arm, readers, hash(story) AS story FROM placed WHERE story IS NOT NULL
    ), covered AS (  -- a group that was shown nothing counts too
        SELECT arm, readers, count(story) AS stories
        FROM (SELECT DISTINCT arm, readers FROM grouped) LEFT JOIN shown USING (arm, readers)
        GROUP BY arm, readers
    )
    SELECT arm, power_sums(stories, 1, 0, 0) FROM covered GROUP BY arm ORDER BY arm;

CREATE OR REPLACE MACRO times() AS TABLE
    SELECT variant, TRY_CAST(round(took_ms * 1000) AS INTEGER) AS microseconds, count(*)
    FROM lists WHERE reason = 'used' AND microseconds IS NOT NULL
    GROUP BY variant, microseconds ORDER BY variant, microseconds;

CREATE OR REPLACE MACRO times_up_to(arm_, value) AS TABLE
    SELECT power_sums(y, x, 0, 0)
    FROM (
        SELECT count(*) FILTER (microseconds <= value) AS y, count(*) AS x
        FROM (
            SELECT unit, TRY_CAST(round(took_ms * 1000) AS INTEGER) AS microseconds
            FROM lists WHERE reason = 'used' AND variant = arm_
        )
        WHERE microseconds IS NOT NULL GROUP BY unit
    );

-- Lists on which two policies competed. Both are told apart by the team of the clicked story.
CREATE OR REPLACE MACRO interleaved_lists() AS TABLE
    WITH competitive AS (
        SELECT list_id, unit, story_ids, teams FROM used_exposures()
        WHERE len(list_filter(teams, lambda t: t IS NOT NULL)) > 0
    ), credited AS (
        SELECT list_id, c.teams[list_position(c.story_ids, story(clicks.clicked_id))] AS team
        FROM competitive AS c JOIN clicks USING (list_id)
    ), by_list AS (
        SELECT list_id, count(*) FILTER (team = 'a') AS clicks_a, count(*) FILTER (team = 'b') AS clicks_b
        FROM credited GROUP BY list_id
    )
    SELECT
        dense_rank() OVER (ORDER BY competitive.unit) - 1 AS unit,
        coalesce(clicks_a, 0) AS clicks_a, coalesce(clicks_b, 0) AS clicks_b
    FROM competitive LEFT JOIN by_list USING (list_id)
    ORDER BY competitive.unit, list_id;
