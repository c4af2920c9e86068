<?php
/* As much of WordPress as the plugin asks for: posts in an array, hooks called by name, requests kept, and told as JSON.
   Usage: php wordpress_stub.php PLUGIN SECRET STATUS; the sequence of what happens to post 7 stands at the end. */
define('ABSPATH', __DIR__);
if ($argv[2] !== '') {
    define('RELATED_URL', 'https://stories.example');
    define('RELATED_KEY', 'courier');
    define('RELATED_SECRET', $argv[2]);
}
$hooks = $posts = $sent = $scheduled = $scripts = [];

function add_action($name, $function, $priority = 10, $arguments = 1) { $GLOBALS['hooks'][$name] = $function; }
function add_filter($name, $function, $priority = 10, $arguments = 1) { add_action($name, $function); }
function apply_filters($name, $value, ...$more) {
    return isset($GLOBALS['hooks'][$name]) ? $GLOBALS['hooks'][$name]($value, ...$more) : $value;
}
function get_post($id) { return $GLOBALS['posts'][$id] ?? null; }
function wp_remote_post($url, $request) {
    $GLOBALS['sent'][] = ['url' => $url] + $request;
    return ['status' => (int) $GLOBALS['argv'][3]];
}
function is_wp_error($answer) { return false; }
function wp_remote_retrieve_response_code($answer) { return $answer['status']; }
function wp_remote_retrieve_body($answer) { return $answer['status'] === 200 ? '{"results":[{"done":true}]}' : 'refused'; }
function wp_schedule_single_event($when, $hook, $arguments) { $GLOBALS['scheduled'][] = [$hook, $arguments]; }
function wp_json_encode($value) { return json_encode($value); }
function wp_list_pluck($terms, $name) { return array_column($terms, $name); }
function wp_enqueue_script($name, $url) { $GLOBALS['scripts'][] = $url; }
function wp_get_attachment_image_url($id, $size) { return "https://courier.example/$id-$size.jpg"; }
function strip_shortcodes($text) { return preg_replace('/\[gallery[^\]]*\]/', '', $text); }
function get_permalink($post) { return "https://courier.example/$post->post_name/"; }
function get_the_title($post) { return htmlspecialchars($post->post_title); }
function get_the_category($id) { return [['name' => 'Ships &amp; Sea'], ['name' => 'Town']]; }
function get_the_tags($id) { return false; }
function get_the_author_meta($field, $id) { return 'Tom Ashdown'; }
function get_locale() { return 'de_DE_formal'; }
function get_post_thumbnail_id($post) { return 12; }
function get_post_meta($id, $name, $single) { return 'The jetty'; }
function get_post_time($format, $utc, $post) { return '2026-07-01T08:00:00+00:00'; }
function get_post_modified_time($format, $utc, $post) { return '2026-07-01T09:00:0' . count($GLOBALS['sent']) . '+00:00'; }
function is_singular($types) { return in_array('post', $types, true); }
function in_the_loop() { return true; }
function get_the_ID() { return $GLOBALS['current']; }
function get_queried_object_id() { return 7; }

ini_set('error_log', '/dev/null');
require $argv[1];

function become($state) {
    global $hooks, $posts;
    $before = $posts[7] ?? null;
    $posts[7] = (object) ($state + ['ID' => 7, 'post_type' => 'post', 'post_status' => 'publish', 'post_password' => '',
        'post_name' => 'ferry', 'post_title' => 'Ferry & bus', 'post_excerpt' => '', 'post_author' => 1,
        'post_content' => '<!-- wp:paragraph --><p>The <a href="/jetty">jetty</a> is shut. [gallery ids="1"]</p>']);
    $hooks['wp_after_insert_post'](7, $posts[7], $before !== null, $before);
}
if (isset($hooks['wp_after_insert_post'])) {
    become(['post_status' => 'draft']);
    become(['post_type' => 'page']);
    become([]);
    become(['post_password' => 'x']);
    become(['post_title' => 'Ferry sails']);
    become(['post_status' => 'trash']);
    become([]);
    $gone = $posts[7];
    unset($posts[7]);
    $hooks['after_delete_post'](7, $gone);
    $hooks['wp_enqueue_scripts']();
}
$shown = [];
foreach ([7, 8] as $current) {
    $shown[] = apply_filters('the_content', '<p>Text</p>');
}
echo json_encode(['hooks' => array_keys($hooks), 'sent' => $sent, 'scheduled' => $scheduled, 'scripts' => $scripts, 'shown' => $shown]);
