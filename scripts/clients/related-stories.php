<?php
/**
 * Plugin Name: Related stories
 * Description: Sends each post that is published, changed or withdrawn to the related-stories service; shows its block.
 * Requires at least: 5.6
 * Requires PHP: 7.4
 *
 * Copy to wp-content/plugins/, activate, and say in wp-config.php, above the line that ends the editing:
 *
 *   define('RELATED_URL', 'https://stories.example');
 *   define('RELATED_KEY', 'cms');           // both from: scripts/keys.py new cms --scopes write --webhook --file keys.toml
 *   define('RELATED_SECRET', 'whs_...');
 *
 * Its IDs are those of a WordPress export and of the REST API, as scripts/import_articles.py reads them.
 * The filter `related_article` ($article, $post) changes what is sent: another section, a brand, more authors.
 */

defined('ABSPATH') || exit;

const RELATED_TYPES = ['post', 'article', 'news', 'story'];  // those that an import takes for articles
const RELATED_AGAIN_SECONDS = 300;

if (!defined('RELATED_URL') || !defined('RELATED_KEY') || !defined('RELATED_SECRET')) {
    add_action('admin_notices', function () {
        echo '<div class="notice notice-error"><p>Related stories: wp-config.php does not define RELATED_URL, '
            . 'RELATED_KEY and RELATED_SECRET.</p></div>';
    });
    return;
}

/** Whether everybody may read a post. */
function related_is_public($post) {
    return $post && in_array($post->post_type, RELATED_TYPES, true) && $post->post_status === 'publish'
        && $post->post_password === '';
}

/** Tells the service what a post is now: published, or withdrawn. What fails is tried again, as it will be by then. */
function related_sync($id) {
    $post = get_post($id);
    $answer = related_send(related_is_public($post) ? ['action' => 'publish', 'article' => related_article($post)]
        : ['action' => 'withdraw', 'id' => (string) $id, 'note' => related_why($post)]);
    $status = wp_remote_retrieve_response_code($answer);
    $said = is_wp_error($answer) ? $answer->get_error_message() : wp_remote_retrieve_body($answer);
    if ($status === 200 && strpos($said, '"done":true') !== false) {
        return;
    }
    error_log("related-stories: post $id was not taken: $status $said");
    if (!in_array($status, [200, 413, 422], true)) {  // these say that the article itself is refused
        wp_schedule_single_event(time() + RELATED_AGAIN_SECONDS, 'related_sync', [(int) $id]);
    }
}

/** Why a post is withdrawn, for the service's record of who did what. */
function related_why($post) {
    return $post ? $post->post_status . ($post->post_password === '' ? '' : ', with a password') : 'deleted';
}

/** Sends an event as a signed webhook; returns the answer, or a WP_Error. */
function related_send($event) {
    $body = wp_json_encode($event);
    $time = (string) time();
    return wp_remote_post(RELATED_URL . '/v1/webhooks/' . rawurlencode(RELATED_KEY), [
        'body' => $body,
        'redirection' => 0,  // which would lose the body
        'headers' => [
            'Content-Type' => 'application/json',
            'X-Related-Timestamp' => $time,
            'X-Related-Signature' => 'sha256=' . hash_hmac('sha256', "$time.$body", RELATED_SECRET),
        ],
    ]);
}

/** A post as an article of the service. */
function related_article($post) {
    $picture = get_post_thumbnail_id($post);
    $picture_url = $picture ? wp_get_attachment_image_url($picture, 'medium_large') : false;
    return apply_filters('related_article', [
        'id' => (string) $post->ID,
        'url' => get_permalink($post),
        'headline' => related_text(get_the_title($post)),
        'standfirst' => $post->post_excerpt,
        'body' => strip_shortcodes($post->post_content),
        'section' => related_names(get_the_category($post->ID))[0] ?? '',
        'tags' => related_names(get_the_tags($post->ID)),
        'authors' => array_filter([related_text(get_the_author_meta('display_name', $post->post_author))]),
        'language' => get_locale(),
        'image' => $picture_url
            ? ['url' => $picture_url, 'alt' => (string) get_post_meta($picture, '_wp_attachment_image_alt', true)] : null,
        'published_at' => get_post_time('c', true, $post),
        'updated_at' => get_post_modified_time('c', true, $post),
    ], $post);
}

/** WordPress keeps and prints names and titles with entities. */
function related_text($html) {
    return html_entity_decode($html, ENT_QUOTES | ENT_HTML5, 'UTF-8');
}

function related_names($terms) {
    return is_array($terms) ? array_map('related_text', wp_list_pluck($terms, 'name')) : [];
}

add_action('related_sync', 'related_sync');
add_action('wp_after_insert_post', function ($id, $post, $update, $before) {
    if (related_is_public($post) || related_is_public($before)) {
        related_sync($id);
    }
}, 10, 4);
add_action('after_delete_post', function ($id, $post) {
    if (related_is_public($post)) {
        related_sync($id);
    }
}, 10, 2);

add_action('wp_enqueue_scripts', function () {
    if (is_singular(RELATED_TYPES)) {
        wp_enqueue_script('related-stories', RELATED_URL . '/embed.js', [], null, ['strategy' => 'defer']);
    }
});
add_filter('the_content', function ($html) {
    $shown = is_singular(RELATED_TYPES) && in_the_loop() && get_the_ID() === get_queried_object_id();
    return $shown ? $html . '<related-stories article="' . get_the_ID() . '"></related-stories>' : $html;
});
