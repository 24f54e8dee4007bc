-- Counters of all schedules together, for metrics: one hash of whole numbers that only grow. This is put behind
-- _keys.lua. Its fields, which storage/counters.py reads:
--   'due', 'sent', 'skipped:<reason>'
--   'started:<bucket>' by how late a first attempt began, 'late_ms' the sum of it
--   'ended:<outcome>:<bucket>' by how long the run took, without a bucket where it never began; 'took_ms:<outcome>' the
--     sum of it
local COUNTERS_TTL_S = 30 * 86400
local BUCKETS_S = {0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400}

-- Returns whether the field is new.
-- pcall: another program's key in the place of the counters must not end a script halfway.
local function count(counters, field, by, ttl)
  if by == 0 then return false end
  local is_new = redis.pcall('HINCRBY', counters, field, string.format('%.0f', by)) == by
  if is_new then redis.call('EXPIRE', counters, ttl or COUNTERS_TTL_S) end
  return is_new
end

-- Counters of a minute, by Redis's clock: <prefix>:minutes:<hour since 1970> has the fields '<what>:<minute of the
-- hour>', where what is 'due' (beat sent or skipped it), 'started' or 'failed' (lost too). status/minutes.py reads
-- them.
-- Returns whether it is the first of its minute.
local MINUTES_TTL_S = 49 * 3600
local function count_minute(prefix, what, by)
  local minute = math.floor(tonumber(redis_time()) / 60)
  local key = minutes_key(prefix, string.format('%d', math.floor(minute / 60)))
  return count(key, string.format('%s:%d', what, minute % 60), by, MINUTES_TTL_S)
end

local function bucket_of(seconds)
  for _, bound in ipairs(BUCKETS_S) do
    if seconds <= bound then return string.format('%g', bound) end
  end
  return '+Inf'
end

-- Milliseconds from one instant to another; 0 where clocks differ so much that it would be negative.
local function milliseconds(from, to) return math.max(0, math.floor((to - from) * 1000 + 0.5)) end

local function count_start(prefix, run)
  local counters = counters_key(prefix)
  -- Once a minute is enough to keep a key that lasts a month.
  if count_minute(prefix, 'started', 1) then redis.call('EXPIRE', counters, COUNTERS_TTL_S) end
  if run.backfill then return end -- how late it is says nothing of this service
  local late = milliseconds(tonumber(run.due) or 0, tonumber(run.started) or 0)
  count(counters, 'started:' .. bucket_of(late / 1000), 1)
  count(counters, 'late_ms', late)
end

local function count_end(prefix, run)
  local counters = counters_key(prefix)
  if run.outcome == 'failed' or run.outcome == 'lost' then count_minute(prefix, 'failed', 1) end
  if run.outcome == 'queued' or run.outcome == 'running' then return end
  if run.outcome == 'skipped' then return count(counters, 'skipped:' .. (run.reason or ''), 1) end
  local started, finished = tonumber(run.started or ''), tonumber(run.finished or '')
  if not started or not finished then return count(counters, string.format('ended:%s:', run.outcome), 1) end
  local took = milliseconds(started, finished)
  count(counters, string.format('ended:%s:%s', run.outcome, bucket_of(took / 1000)), 1)
  count(counters, 'took_ms:' .. run.outcome, took)
end

-- For a step with many entries: what it counts is written at its end, in one command for each field.
local tallies = {}
local function tally(field, by) tallies[field] = (tallies[field] or 0) + by end

local function write_tallies(prefix)
  for field, by in pairs(tallies) do count(counters_key(prefix), field, by) end
  count_minute(prefix, 'due', tallies.due or 0)
  count_minute(prefix, 'failed', tallies['ended:lost:'] or 0)
end
