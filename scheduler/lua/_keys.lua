-- What the keys hold, their names, and what every other part needs. This is put in front of each script, before
-- _counters.lua.
-- <prefix>:ledger:<name> is a hash: a schedule's runs, each a JSON object of texts under its id, and beside them
--   ':last' is the id of the row that was added last;
--   ':open' has the runs that are queued or running, in lines 'deadline id' or 'running id': after its deadline a
--     queued run counts as gone;
--   ':waiting' has the runs that are held back, see _held.lua;
--   ':floor' is the latest due instant of an ended run that was trimmed;
--   ':health' is what the ended runs say, and ':slow' since when runs take too long, see _health.lua;
--   ':forgiven' is how many failures in a row there were when `pause_after_failures` paused the schedule last;
--   ':recent' is how the last runs ended, see _recent.lua.
-- <prefix>:output:<attempt>:<id> is a string: what an attempt of a run printed and logged, see storage/output.py.
-- <prefix>:failing holds the failing schedules; its score is since when.
-- <prefix>:outcomes holds every schedule; its score is the number in OUTCOMES of the row that was added last to its
--   ledger.
-- <prefix>:ended holds each schedule by when a run of it ended last, <prefix>:took by how long its newest run took, see
--   _recent.lua.
-- <prefix>:runs holds the id of every row of every ledger; its score is the due instant, of a stretch of skips the last
--   one.
-- <prefix>:went_wrong holds those that failed or were lost, and <prefix>:skips those that were skipped, with the same
--   scores. The leader bounds all three, see storage/health.py.
-- <prefix>:quarantined holds the entries with an error.
-- <prefix>:revised holds the names that were changed last; its score is the revision counter, for readers that keep
--   something of each.
-- <prefix>:paused holds the schedules that `pause_after_failures` paused, by when; some may have been resumed since.
-- <prefix>:stuck holds the schedules whose newest run expired before a worker took it; its score is the first due
--   instant of these.
-- <prefix>:slow holds the id of every running run whose schedule has `slow_after`; its score is when the run becomes
--   slow.
-- <prefix>:sent:<queue> holds the id of every run whose message was pushed there and that no worker claimed yet; its
--   score is the time of the push by Redis's clock. <prefix>:queues holds those queues.
-- <prefix>:group:<group> holds the runs that have a place in a group, by when they got it, and
--   <prefix>:group_queue:<group> those that only the group holds back, by since when, see _held.lua.
-- <prefix>:later holds the manual runs that wait for their time, which is their score; each has its row, see
--   later.lua.
-- <prefix>:backfills holds the backfill of each schedule that has one, see storage/backfills.py; beside it, under the
--   name, a line break and an outcome, how many of its runs ended so.
-- <prefix>:leases holds the id of every running run; its score is the end of its worker's lease. Before a worker claims
--   it, a run that expires is there too; its score is the time when it does.

-- Key names, as in storage/keys.py; a test compares them.
local function entry_key(prefix, name) return prefix .. name end
local function ledger_key(prefix, name) return prefix .. ':ledger:' .. name end
local function failing_key(prefix) return prefix .. ':failing' end
local function stuck_key(prefix) return prefix .. ':stuck' end
local function pings_key(prefix) return prefix .. ':pings' end
local function slow_key(prefix) return prefix .. ':slow' end
local function stops_key(prefix) return prefix .. ':stops' end
local function outcomes_key(prefix) return prefix .. ':outcomes' end
local function ended_key(prefix) return prefix .. ':ended' end
local function took_key(prefix) return prefix .. ':took' end
local function runs_key(prefix) return prefix .. ':runs' end
local function went_wrong_key(prefix) return prefix .. ':went_wrong' end
local function skips_key(prefix) return prefix .. ':skips' end
local function quarantined_key(prefix) return prefix .. ':quarantined' end
local function revised_key(prefix) return prefix .. ':revised' end
local function health_changes_key(prefix) return prefix .. ':health_changes' end
local function told_key(prefix) return prefix .. ':told' end
local function alert_outbox_key(prefix, sink) return prefix .. ':alerts:' .. sink end
local function leases_key(prefix) return prefix .. ':leases' end
local function sent_key(prefix, queue) return prefix .. ':sent:' .. queue end
local function queues_key(prefix) return prefix .. ':queues' end
local function history_key(prefix, name) return prefix .. ':history:' .. name end
local function output_key(prefix, id, attempt) return prefix .. ':output:' .. attempt .. ':' .. id end
local function moved_key(prefix, name) return prefix .. ':moved:' .. name end
local function outbox_key(prefix) return prefix .. ':outbox' end
local function wake_key(prefix) return prefix .. ':wake' end
local function forgotten_key(prefix) return prefix .. ':forgotten' end
local function commits_key(prefix) return prefix .. ':commits' end
local function counters_key(prefix) return prefix .. ':counters' end
local function minutes_key(prefix, hour) return prefix .. ':minutes:' .. hour end
local function revision_key(prefix) return prefix .. ':revision' end
local function backfills_key(prefix) return prefix .. ':backfills' end
local function open_backfills_key(prefix) return prefix .. ':open-backfills' end
local function changed_key(prefix) return prefix .. ':changed' end
local function schedule_key(prefix) return prefix .. ':schedule' end
local function audit_key(prefix) return prefix .. ':audit' end
local function paused_key(prefix) return prefix .. ':paused' end
local function followers_key(prefix) return prefix .. ':followers' end
local function later_key(prefix) return prefix .. ':later' end
local function file_key(prefix) return prefix .. ':file' end
local function group_key(prefix, group) return prefix .. ':group:' .. group end
local function group_queue_key(prefix, group) return prefix .. ':group_queue:' .. group end

local function name_of(prefix, ledger) return string.sub(ledger, #ledger_key(prefix, '') + 1) end

-- Call a command with all of these arguments, 1000 at a time: Lua's stack holds about 8000.
local function in_parts(command, key, arguments)
  for at = 1, #arguments, 1000 do
    redis.call(command, key, unpack(arguments, at, math.min(at + 999, #arguments)))
  end
end

-- Which of two messages is older can only be told by one clock, and beats on several hosts have several.
local function redis_time()
  local time = redis.call('TIME')
  return string.format('%d.%06d', time[1], time[2])
end
