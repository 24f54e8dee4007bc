-- The health of a schedule, ':health' in its ledger. This is put behind _ledger.lua.
-- It is 'well newest since count': `well` is the newest due instant that succeeded; after it, `count` failed or were
-- lost, `newest` is the newest of these, and the first of them ended at `since`. A skip says nothing about health.
-- A schedule stays failing after its ledger has expired: it still waits for a run that succeeds.
local FAILING_TTL_S = 366 * 86400
local HEALTH_FORMAT = '%.6f %.6f %.6f %d'
local NO_INSTANT = -1e12 -- before any due instant

local function health_of(text)
  local well, newest, since, count = string.match(text, '^(%S+) (%S+) (%S+) (%d+)$')
  return {
    is_new = text == '',
    well = tonumber(well) or NO_INSTANT, newest = tonumber(newest) or NO_INSTANT, since = tonumber(since) or 0,
    count = tonumber(count) or 0,
  }
end

local function read_health(ledger) return health_of(redis.call('HGET', ledger, ':health') or '') end

-- pcall: another program's key in the place of the index must not end a script halfway.
local function leave_index(prefix, ledger) redis.pcall('ZREM', failing_key(prefix), name_of(prefix, ledger)) end

local function index_health(prefix, ledger, health)
  local name = name_of(prefix, ledger)
  if health.count > 0 and redis.call('EXISTS', prefix .. name) == 1 then
    redis.pcall('ZADD', failing_key(prefix), health.since, name)
    redis.pcall('EXPIRE', failing_key(prefix), FAILING_TTL_S)
  else
    leave_index(prefix, ledger)
  end
end

-- What a ledger's last row says: an outcome, or 'new' where there is none.
local function last_outcome(ledger)
  local id = redis.pcall('HGET', ledger, ':last')
  if type(id) ~= 'string' then return 'new' end
  if redis.call('HEXISTS', ledger, id) == 0 then return 'new' end -- it was trimmed
  local run = read_run(ledger, id)
  return run and run.outcome or 'unreadable'
end

local function index_quarantine(prefix, name, is_new)
  local error = redis.call('HGET', prefix .. name, 'error')
  if error and error ~= '' then
    redis.pcall('ZADD', quarantined_key(prefix), 0, name)
    redis.pcall('EXPIRE', quarantined_key(prefix), INDEX_TTL_S)
  elseif not is_new then
    redis.pcall('ZREM', quarantined_key(prefix), name)
  end
end

local function leave_indexes(prefix, name)
  local indexes = {
    failing_key(prefix), stuck_key(prefix), outcomes_key(prefix), quarantined_key(prefix), paused_key(prefix)
  }
  indexes[#indexes + 1], indexes[#indexes + 2] = ended_key(prefix), took_key(prefix)
  for _, index in ipairs(indexes) do redis.pcall('ZREM', index, name) end
end

-- A schedule is stuck from the first run that expired before a worker took it until a worker takes one.
local function note_expired(prefix, ledger, run)
  local name = name_of(prefix, ledger)
  if run.outcome == 'skipped' and run.reason == 'expired' and redis.call('EXISTS', prefix .. name) == 1 then
    redis.pcall('ZADD', stuck_key(prefix), 'NX', tonumber(run.due) or 0, name)
    redis.pcall('EXPIRE', stuck_key(prefix), FAILING_TTL_S)
  end
end

local function note_taken(prefix, ledger) redis.pcall('ZREM', stuck_key(prefix), name_of(prefix, ledger)) end

local function write_health(ledger, health)
  local text = string.format(HEALTH_FORMAT, health.well, health.newest, health.since, health.count)
  redis.call('HSET', ledger, ':health', text)
end

-- Say that a schedule began to fail, failed once more, or is well again: the leader sends the alerts, see
-- storage/alerts.py.
-- pcall: another program's key in the place of the stream must not end a script halfway.
local MAX_COUNTED = 20 -- failures in a row that are noted one by one: MAX_FAILURES in model/alerts.py
local MAX_CHANGES = 10000
local CHANGES_TTL_S = 7 * 86400

local function note_change(prefix, ledger, event, health, run)
  if (event == 'failing' or event == 'lost') and health.count > MAX_COUNTED then return end
  local error = run.detail or ''
  if error == '' then error = run.result or '' end
  local added = redis.pcall('XADD', health_changes_key(prefix), 'MAXLEN', '~', MAX_CHANGES, '*',
    'name', name_of(prefix, ledger),
    'event', event, 'since', string.format('%.6f', health.since), 'count', health.count, 'due', run.due or '',
    'manual', run.manual or '', 'reason', run.reason or '', 'detail', string.sub(error, 1, 500),
    'output', string.sub(run.traceback or '', -1000))
  if type(added) == 'string' then redis.call('EXPIRE', health_changes_key(prefix), CHANGES_TTL_S) end
end

local function ended_at(finished, due)
  local instant = tonumber(finished) or 0
  return instant > 0 and instant or due
end

-- The rows that failed or were lost, and the newest due instant that succeeded; then, as members of an index, every row
-- and the skipped rows.
-- By pattern, because decoding every row would hold up Redis.
local function ended_rows(rows)
  local ended, well, every, skips = {}, NO_INSTANT, {}, {}
  for i = 1, #rows, 2 do
    local function field(name) return string.match(rows[i + 1], '"' .. name .. '": ?"([^"]*)"') end
    local outcome = string.sub(rows[i], 1, 1) ~= ':' and field('outcome')
    local due = tonumber(outcome and field('due'))
    local last = due and (tonumber(field('until')) or due)
    if due then every[#every + 1], every[#every + 2] = last, rows[i] end
    if due and outcome == 'skipped' then skips[#skips + 1], skips[#skips + 2] = last, rows[i] end
    if due and outcome == 'succeeded' then well = math.max(well, due) end
    -- One that is tried again counts as it ended before, until that attempt ends.
    if outcome == 'queued' or outcome == 'running' then outcome = field('was') end
    if due and (outcome == 'failed' or outcome == 'lost') then
      ended[#ended + 1] = {
        id = rows[i], due = last, at = ended_at(field('finished'), due), count = tonumber(field('count')) or 1
      }
    end
  end
  return ended, well, every, skips
end

-- Work out a schedule's health from every row of its ledger.
local function recount(prefix, ledger)
  if redis.call('EXISTS', ledger) == 0 then
    if redis.call('EXISTS', prefix .. name_of(prefix, ledger)) == 0 then leave_index(prefix, ledger) end
    return
  end
  local rows = redis.call('HGETALL', ledger)
  recount_recent(prefix, ledger, rows)
  local before, ended, well, every, skips = read_health(ledger), ended_rows(rows)
  -- Rows up to the floor may have been trimmed; what was counted of them then still counts.
  local floor = tonumber(redis.call('HGET', ledger, ':floor') or 0)
  if before.well <= floor then well = math.max(well, before.well) end
  local health = {well = well, newest = NO_INSTANT, since = 0, count = 0}
  local went_wrong = {}
  for _, bad in ipairs(ended) do
    went_wrong[#went_wrong + 1], went_wrong[#went_wrong + 2] = bad.due, bad.id
    if bad.due > well then
      health.newest, health.count = math.max(health.newest, bad.due), health.count + bad.count
      health.since = health.since == 0 and bad.at or math.min(health.since, bad.at)
    end
  end
  add_to_index(runs_key(prefix), every)
  add_to_index(went_wrong_key(prefix), went_wrong)
  add_to_index(skips_key(prefix), skips)
  if before.count > 0 and health.count > 0 and before.well == well and floor > well then
    health.since, health.count = math.min(health.since, before.since), math.max(health.count, before.count)
  end
  if health.count > 0 or health.well > NO_INSTANT then write_health(ledger, health) end
  index_health(prefix, ledger, health)
  local due = string.format('%.6f', health.count > 0 and health.newest or health.well)
  if before.count > 0 and health.count == 0 then
    note_change(prefix, ledger, 'recovered', before, {due = due})
  elseif before.count == 0 and health.count > 0 then
    note_change(prefix, ledger, 'failing', health, {due = due})
  end
end

-- Count the end of a run of a backfill, and wake the leader, which sends the next one. pcall: the key may be another
-- program's.
local function note_backfilled(prefix, ledger, run)
  if not run.backfill or run.outcome == 'queued' then return end
  redis.pcall('HINCRBY', backfills_key(prefix), name_of(prefix, ledger) .. '\n' .. run.outcome, 1)
  redis.call('PUBLISH', wake_key(prefix), '1')
end

-- Take the end of a run into the counters and its schedule's health; call it after the row is written. `known` and
-- `recent` are ':health' and ':recent' where they were read already.
local function note_end(prefix, ledger, id, run, known, recent)
  if run.followers then follow(prefix, ledger, id, run) end
  note_backfilled(prefix, ledger, run)
  if run.was and run.was ~= 'skipped' then
    -- It was counted when it ended before: only all rows together say what is true now.
    redis.pcall('ZREM', went_wrong_key(prefix), id)
    recount(prefix, ledger)
    return note_ping(prefix, name_of(prefix, ledger), id, run, PING_ENDS[run.outcome])
  end
  count_end(prefix, run)
  note_recent(prefix, ledger, id, run, recent)
  note_ping(prefix, name_of(prefix, ledger), id, run, PING_ENDS[run.outcome])
  local is_bad = run.outcome == 'failed' or run.outcome == 'lost'
  if is_bad then add_to_index(went_wrong_key(prefix), {tonumber(run['until'] or run.due) or 0, id}) end
  if run.outcome == 'skipped' then add_to_index(skips_key(prefix), {tonumber(run['until'] or run.due) or 0, id}) end
  if not is_bad and run.outcome ~= 'succeeded' then return end
  local health, due = known and health_of(known) or read_health(ledger), tonumber(run.due) or 0
  if due <= health.well then return end
  if is_bad then
    local at = ended_at(run.finished, due)
    health.since = health.count == 0 and at or math.min(health.since, at)
    health.count, health.newest = health.count + 1, math.max(health.newest, due)
  elseif due < health.newest then -- a later run has failed already
    return recount(prefix, ledger)
  else
    write_health(ledger, {well = due, newest = NO_INSTANT, since = 0, count = 0})
    -- A ledger that began again after it had expired does not know that its schedule was failing.
    if health.is_new or health.count > 0 then leave_index(prefix, ledger) end
    if health.count > 0 then
      redis.call('HDEL', ledger, ':forgiven')
      note_change(prefix, ledger, 'recovered', health, run)
    end
    return
  end
  write_health(ledger, health)
  index_health(prefix, ledger, health)
  if run.pause_after then pause_failing(prefix, ledger, run, health.count) end
  note_change(prefix, ledger, run.outcome == 'lost' and 'lost' or 'failing', health, run)
end

-- Say that due instants were missed; once for a stretch, however often it grows.
local function note_missed(prefix, ledger, skip)
  local missed = {due = skip.last}
  because(missed, skip.reason, skip.detail)
  note_change(prefix, ledger, 'missed', {since = tonumber(skip.due) or 0, count = tonumber(skip.times)}, missed)
end

-- Say that a run takes longer than its schedule's `slow_after`; once, until a run is in time again.
local function note_slow(prefix, ledger, run)
  if redis.call('HSETNX', ledger, ':slow', run.started) == 0 then return end
  local slow = {due = run.due, manual = run.manual, detail = run.slow_after}
  note_change(prefix, ledger, 'slow', {since = tonumber(run.started) or 0, count = 1}, slow)
end

-- Note when a run that has begun becomes slow.
local function note_begun(prefix, id, run)
  if not tonumber(run.slow_after) then return end
  redis.call('ZADD', slow_key(prefix), tonumber(run.started) + tonumber(run.slow_after), id)
  redis.call('EXPIRE', slow_key(prefix), LEASES_TTL_S)
end

-- Compare how long a run took that is over; call it after the row is written. `was_slow`: whether the ledger has
-- ':slow'.
local function note_duration(prefix, ledger, id, run, was_slow)
  local limit, started, finished = tonumber(run.slow_after), tonumber(run.started), tonumber(run.finished)
  if limit then redis.call('ZREM', slow_key(prefix), id) end
  if limit and started and finished and finished - started > limit then
    note_slow(prefix, ledger, run)
  elseif run.outcome == 'succeeded' and was_slow then
    redis.call('HDEL', ledger, ':slow')
    note_change(prefix, ledger, 'in time', {since = 0, count = 1}, {due = run.due, manual = run.manual})
  end
end
