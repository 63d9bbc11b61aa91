//! Every limit of the design notes ("Limits that must exist as named constants") has its constant and its test.
//!
//! | limit | constant | test |
//! |---|---|---|
//! | manifest 4 MiB | `MANIFEST_BYTES_MAX` | `a_manifest_has_at_most_its_number_of_bytes` |
//! | record with envelope 64 KiB | `ENVELOPE_BYTES_MAX` | `a_record_with_its_envelope_has_at_most_its_number_of_bytes` |
//! | staged bundles 64 | `STAGED_BUNDLES_MAX` | `failing_objects_stop_publishing_only_at_the_most_staged_commits` |
//! | entries a record 256 | `RECORD_ENTRIES_MAX` | `a_record_has_at_most_its_number_of_entries` |
//! | endorsements 64 | `ENDORSEMENTS_MAX` | `an_act_has_at_most_its_number_of_endorsements` |
//! | act window 30 days | `ACT_WINDOW_SECONDS_MAX` | `an_acts_own_fields_are_checked` |
//! | blob 4 GiB by default | `CONTENT_BYTES_MAX` | `content_has_at_most_its_configured_number_of_bytes` |
//! | upload sessions 24 h | `UPLOAD_SESSION_LIFE` | `so_many_upload_sessions_are_open_and_each_for_a_day` |
//! | upload sessions at once | `UPLOAD_SESSIONS_MAX` | `so_many_upload_sessions_are_open_and_each_for_a_day` |
//! | uploads at once | `UPLOADS_AT_ONCE_MAX` | `so_many_uploads_arrive_at_once` |
//! | logs a fetch 100 | `LOGS_PER_FETCH_MAX` | `a_reply_has_at_most_its_number_of_logs_and_the_next_has_the_rest` |
//! | records a reply 1000 | `RECORDS_PER_REPLY_MAX` | `a_reply_has_at_most_its_number_of_records` |
//! | records of a log a reply 1000 | `RECORDS_PER_LOG_MAX` | `a_log_gives_at_most_its_number_of_records_a_reply` |
//! | leaves a proof 1000 | `PROOF_LEAVES_MAX` | `a_proof_is_for_at_most_its_number_of_leaves` |
//! | JSON body 8 MiB | `JSON_BODY_BYTES_MAX` | `a_json_body_has_at_most_its_number_of_bytes` |
//! | act as JSON 128 KiB | `ACT_BODY_BYTES_MAX` | `an_act_has_at_most_its_number_of_bytes` |
//! | name 128 bytes | `NAME_BYTES_MAX` | `length_is_bounded` |
//! | live keys a log 128 | `LIVE_KEYS_MAX` | `live_roles_and_keys_are_limited` |
//! | live roles a log 64 | `LIVE_ROLES_MAX` | `live_roles_and_keys_are_limited` |
//! | depth of roles 8 | `DEPTH_MAX` | `roles_nest_to_their_depth_and_no_deeper` |
//! | note 64 KiB | `NOTE_BYTES_MAX` | `a_note_has_at_most_its_number_of_bytes` |
//! | nesting of a file | `NESTING_MAX` | `each_limit_of_a_files_shape_is_refused_above_and_not_below` |
//! | declared counts | `DECLARED_COUNT_MAX` | `each_limit_of_a_files_shape_is_refused_above_and_not_below` |
//! | sections of a file | `SECTIONS_MAX` | `each_limit_of_a_files_shape_is_refused_above_and_not_below` |
//! | parse time | `INSPECT_MS_MAX` | `a_child_whose_time_is_up_is_killed_and_replaced` |
//! | parse memory | `INSPECTOR_MEMORY_BYTES_MAX` | `a_child_that_runs_out_of_memory_is_too_costly` |
//! | work of checking | `WORK_MAX` | `a_file_at_the_limit_of_the_callers_process_is_inspected_soon` |
//! | inspections waiting | `INSPECTIONS_WAITING_MAX` | `those_who_come_when_too_many_wait_are_told_so` |
//! | head of a request | `HEAD_BYTES_MAX` | `heads_that_do_not_come_and_idle_connections_are_closed_in_time` |
//! | head and idle timeout | `HEADER_TIMEOUT` | `heads_that_do_not_come_and_idle_connections_are_closed_in_time` |
//! | body idle timeout | `BODY_IDLE_TIMEOUT` | `bodies_that_stop_or_drip_are_given_up_in_time` |
//! | whole body timeout | `WHOLE_BODY_TIMEOUT` | `bodies_that_stop_or_drip_are_given_up_in_time` |
//! | least pace of a client | `PACE_BYTES_PER_SECOND` | `who_falls_too_far_behind_the_least_pace_is_too_slow` |
//! | how far behind it | `PACE_BEHIND_MAX` | `a_thousand_slow_clients_stop_nobody_and_are_cut_off_in_time` |
//! | begun uploads need no turn | `UPLOAD_BEGINNING_BYTES` | `so_many_uploads_arrive_at_once` |
//! | TLS handshake | `HANDSHAKE_TIMEOUT` | `slow_handshakes_stop_nobody_and_end_in_time` |
//! | file of certificates or a key | `PEM_FILE_BYTES_MAX` | `a_broken_file_is_named_and_the_certificate_from_before_is_kept` |
//! | hops of proxies | `FORWARDED_HOPS_MAX` | `the_client_is_the_rightmost_hop_that_is_not_trusted` |
//! | drain at the end | `DRAIN_TIMEOUT` | `told_to_end_it_answers_what_is_in_flight_and_keeps_it` |
//! | records waiting 10,000 | `PENDING_RECORDS_MAX` | `a_flood_beyond_what_may_wait_is_told_at_once_and_what_was_taken_is_committed` |
//! | pending a log 32 | `PENDING_PER_LOG_MAX` | `so_many_records_of_a_log_are_pending` |
//! | floor of free space | `FREE_BYTES_FLOOR` | `below_the_floor_nothing_is_taken_and_above_it_all_is` |
//! | connections at once | `CONNECTIONS_MAX` | `without_descriptors_it_waits_for_some_and_loses_nothing` |
//! | key file 64 KiB | `KEY_FILE_BYTES_MAX` | `a_key_file_that_is_too_large_is_refused_whole` |
//! | answer of a keyring | `ANSWER_TIMEOUT` | `without_a_keyring_it_is_said_what_to_do_instead_and_all_else_is_as_ever` |

#![allow(clippy::unwrap_used, reason = "a failure here is the test's failure")]

use std::fs;
use std::path::{Path, PathBuf};

/// Rust files of the crates.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the workspace") {
        let path = entry.expect("an entry of a folder").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_limit_of_the_table_has_its_constant_and_its_test() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates"), &mut files);
    let code: String = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let table = include_str!("limits.rs").lines().filter_map(|line| line.strip_prefix("//! | "));
    let mut rows = 0;
    for row in table.skip(1) {
        let [limit, constant, test] = *row.trim_end_matches([' ', '|']).split(" | ").collect::<Vec<_>>()
        else {
            panic!("no row: {row}");
        };
        let named = |start: &str, name: &str| code.contains(&format!("{start} {}", name.trim_matches('`')));
        assert!(
            named("const", &format!("{}:", constant.trim_matches('`'))),
            "{limit}: no constant {constant}"
        );
        assert!(named("fn", &format!("{}()", test.trim_matches('`'))), "{limit}: no test {test}");
        rows += 1;
    }
    assert!(rows > 30, "{rows} rows were read");
}
