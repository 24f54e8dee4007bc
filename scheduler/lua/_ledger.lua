-- What several scripts share: the ledger and the queues. This is put behind _recent.lua.
local CHANGED_TTL_S = 86400 -- the leader reads the names within seconds; without a leader they must not pile up
local LEASES_TTL_S = 30 * 86400
local SENT_TTL_S = 30 * 86400 -- longer than any message waits in a queue

-- One counter for all entries: a name that was removed and created again never meets its old revision.
local function next_revision(prefix) return redis.call('INCR', revision_key(prefix)) end

-- Note for readers that keep something of each entry that these were changed; see storage/revised.py.
-- pcall: another program's key in the place of an index must not end a script halfway.
local MAX_REVISED = 10000 -- a reader that is further behind reads every entry again
local function note_revised(prefix, names)
  local revised, revision, members = revised_key(prefix), next_revision(prefix), {}
  for i, name in ipairs(names) do members[2 * i - 1], members[2 * i] = revision, name end
  pcall(in_parts, 'ZADD', revised, members)
  redis.pcall('ZREMRANGEBYRANK', revised, 0, -MAX_REVISED - 1)
  redis.pcall('EXPIRE', revised, INDEX_TTL_S)
end

-- Tell the leader that these entries were changed.
local function note_changed(prefix, names)
  note_revised(prefix, names)
  redis.call('SADD', changed_key(prefix), unpack(names))
  redis.call('EXPIRE', changed_key(prefix), CHANGED_TTL_S)
end

local HISTORY_LENGTH = 20 -- of the last changes of each schedule
local HISTORY_TTL_S = 366 * 86400

-- Add a line to the audit log, and to the history of its schedule; one that has an id, only to the history.
-- pcall: another program's key in the place of a history must not end a script halfway.
local function note_line(prefix, log, length, name, line, id)
  id = id or redis.call('XADD', log, 'MAXLEN', '~', length, '*', 'change', line)
  local history = history_key(prefix, name)
  redis.pcall('XADD', history, 'MAXLEN', HISTORY_LENGTH, id, 'change', line)
  redis.call('EXPIRE', history, HISTORY_TTL_S)
end

-- The ledger that has a run: its schedule's, or that of a name which the schedule got since. The old name may be
-- another schedule's by now. Without a row, the first of them that there is, or else the last name's.
local MAX_RENAMES = 10 -- of one schedule, as in renamed.py; names can go round in a circle
local function home(prefix, id)
  local name, there = string.match(id, '^(.*)@'), nil
  local ledger
  for _ = 0, MAX_RENAMES do
    ledger = ledger_key(prefix, name)
    if redis.call('HEXISTS', ledger, id) == 1 then return ledger end
    if not there and redis.call('EXISTS', ledger) == 1 then there = ledger end
    name = redis.call('GET', moved_key(prefix, name))
    if not name then break end
  end
  return there or ledger
end

-- A run's record; nil where there is none, or where another program damaged it: one bad row must not end a script
-- halfway.
local function decoded(text)
  local is_json, run = pcall(cjson.decode, text or '')
  return is_json and type(run) == 'table' and run.outcome and run or nil
end

local function read_run(ledger, id) return decoded(redis.call('HGET', ledger, id)) end

-- The ledger that has a run, the run's record, and these other fields of the ledger after each other, in one command.
local function find_run(prefix, id, ...)
  local ledger = ledger_key(prefix, string.match(id, '^(.*)@'))
  local values = redis.call('HMGET', ledger, id, ...)
  if not values[1] then
    ledger = home(prefix, id)
    values = redis.call('HMGET', ledger, id, ...)
  end
  return ledger, decoded(values[1]), unpack(values, 2)
end

-- Why a run did not end as it should, or was sent again: a word of model/reasons.py, which has its sentence too; detail
-- adds facts.
local function because(run, reason, detail)
  run.reason, run.detail = reason, detail ~= '' and detail or nil
end

-- End a run that no worker took in time: it is skipped only where no attempt of it began.
local function expire(run, now, detail)
  run.finished = now
  if tonumber(run.attempt or '0') > 0 then
    run.outcome = 'failed'
    because(run, 'no next attempt')
  else
    run.outcome = 'skipped'
    because(run, 'expired', detail)
  end
end

-- Who asked to stop this run, and why; false without such a request. pcall: the key may be another program's.
local function asked_to_stop(prefix, id)
  local why = redis.pcall('HGET', stops_key(prefix), id)
  return type(why) == 'string' and why
end

-- Ask the worker of a running run to stop it.
local STOPS_TTL_S = 86400
local REPLACED = 'replaced by ' -- what a request to stop begins with that no person made
local function ask_to_stop(prefix, id, why)
  redis.call('HSET', stops_key(prefix), id, why)
  redis.call('EXPIRE', stops_key(prefix), STOPS_TTL_S)
end

-- End a run that was stopped. The first line of its error only says how the body was stopped; what it printed follows.
local function stop_run(prefix, id, run, why, now)
  redis.pcall('HDEL', stops_key(prefix), id)
  run.outcome, run.finished, run.result = 'stopped', now, string.match(run.result or '', '^[^\n]*\n(.*)$')
  if string.sub(why, 1, #REPLACED) == REPLACED then because(run, 'replaced', why) else because(run, 'stopped', why) end
end

-- Take the oldest messages out of a queue as long as they are of expired runs: without a worker, they would only pile
-- up.
local MAX_DROPPED = 1000
local function drop_expired(prefix, queue)
  for _ = 1, queue and MAX_DROPPED or 0 do
    local oldest = redis.pcall('LINDEX', queue, -1)
    local id = type(oldest) == 'string' and string.match(oldest, '"scheduler_run": ?"(.-)"')
    local run = id and read_run(home(prefix, id), id)
    if not run or run.reason ~= 'expired' then return end
    redis.call('RPOP', queue)
  end
end

-- Write a run's record, and its outcome into the index if it is the row that was added last.
-- XX: a schedule that was removed meanwhile must not come back into the index.
local function index_outcome(prefix, ledger, run)
  redis.pcall('ZADD', outcomes_key(prefix), 'XX', number_of(run.outcome), name_of(prefix, ledger))
end

local function write_run(prefix, ledger, id, run)
  redis.call('HSET', ledger, id, cjson.encode(run))
  if redis.call('HGET', ledger, ':last') == id then index_outcome(prefix, ledger, run) end
end

-- What the indexes get at the end of a step with many entries, in one command for each: number, name… of each one's
-- last row; due instant, id… of each row that is new or whose due instant is another now, and of the skipped ones
-- among them; the ids that were trimmed meanwhile. Instants stay texts, because a number of Lua is written as a text
-- again for each command, and in order, because neighbours are close in the index too.
local noted = {outcomes = {}, rows = {}, skips = {}, trimmed = {}}
local function note_outcome(name, outcome)
  local outcomes = noted.outcomes
  outcomes[#outcomes + 1], outcomes[#outcomes + 2] = number_of(outcome), name
end

local function note_row(due, id)
  local rows = noted.rows
  rows[#rows + 1], rows[#rows + 2] = due or '0', id
end

-- The same for a row that was skipped.
local function note_skip(due, id)
  local skips = noted.skips
  skips[#skips + 1], skips[#skips + 2] = due or '0', id
  note_row(due, id)
end

-- pcall: another program's key in the place of an index must not end a script halfway.
local function add_to_index(index, scores_and_members)
  if #scores_and_members == 0 then return end
  pcall(in_parts, 'ZADD', index, scores_and_members)
  redis.pcall('EXPIRE', index, INDEX_TTL_S)
end

local function untrimmed(rows)
  if not next(noted.trimmed) then return rows end
  local left = {}
  for at = 1, #rows, 2 do
    local due, id = rows[at], rows[at + 1]
    if not noted.trimmed[id] then left[#left + 1], left[#left + 2] = due, id end
  end
  return left
end

local function write_indexes(prefix)
  add_to_index(outcomes_key(prefix), noted.outcomes)
  add_to_index(runs_key(prefix), untrimmed(noted.rows))
  add_to_index(skips_key(prefix), untrimmed(noted.skips))
  noted = {outcomes = {}, rows = {}, skips = {}, trimmed = {}}
end

-- Remember that no worker has claimed these runs yet: time, id…
local function note_sent(prefix, queue, members)
  if queue == outbox_key(prefix) then -- the leader publishes these runs, not a worker: wake it
    redis.call('PUBLISH', wake_key(prefix), '1')
    return
  end
  in_parts('ZADD', sent_key(prefix, queue), members)
  redis.call('SADD', queues_key(prefix), queue)
  for _, key in ipairs({sent_key(prefix, queue), queues_key(prefix)}) do redis.call('EXPIRE', key, SENT_TTL_S) end
end

-- The name of a queue's list, and the commands to send after each push: a queue may be followed by a line of JSON with
-- [[command, argument…]…], see `Message.place` in sending/message.py.
local function list_of(queue)
  local list, also = string.match(queue, '^(.-)\n(%[%[.*)$')
  return list or queue, also and cjson.decode(also) or {}
end

local function push_all(prefix, queue, payloads, members)
  local list, also = list_of(queue)
  in_parts('LPUSH', list, payloads)
  for _, command in ipairs(also) do redis.call(unpack(command)) end
  note_sent(prefix, list, members)
end

-- Messages that are pushed and noted at the end of a script, in one step for each queue: a command for each would take
-- Redis twice as long.
local batches, pushed_at = {}, nil
local function push_at_end(queue, id, payload)
  pushed_at = pushed_at or redis_time()
  local batch = batches[queue] or {payloads = {}, members = {}}
  batches[queue] = batch
  batch.payloads[#batch.payloads + 1] = payload
  batch.members[#batch.members + 1] = pushed_at
  batch.members[#batch.members + 1] = id
end

local function push_batches(prefix)
  for queue, batch in pairs(batches) do push_all(prefix, queue, batch.payloads, batch.members) end
end

local function push(prefix, queue, id, payload) push_all(prefix, queue, {payload}, {redis_time(), id}) end

local function was_claimed(prefix, run, id)
  if run.queue then redis.pcall('ZREM', sent_key(prefix, run.queue), id) end -- pcall: it may be another program's key
end

local function open_runs(text)
  local open = {}
  for deadline, id in string.gmatch(text or '', '(%S+) ([^\n]+)') do
    open[#open + 1] = {id = id, deadline = deadline}
  end
  return open
end

local function open_text(open)
  local parts = {}
  for i, run in ipairs(open) do parts[i] = run.deadline .. ' ' .. run.id end
  return table.concat(parts, '\n')
end

-- The open runs with another place of this one: a deadline, 'running', or nil for none.
local function open_with(text, id, deadline)
  local left = {}
  for _, run in ipairs(open_runs(text)) do
    if run.id ~= id then left[#left + 1] = run end
  end
  if deadline then left[#left + 1] = {id = id, deadline = deadline} end
  return open_text(left)
end

local function set_open(ledger, id, deadline)
  redis.call('HSET', ledger, ':open', open_with(redis.call('HGET', ledger, ':open'), id, deadline))
end

-- The same for a run whose row is at hand. One of a backfill has the backfill's own rule of overlap: it holds up no
-- other run.
local function place_of(run, deadline) return not run.backfill and deadline or nil end
local function set_open_run(ledger, id, run, deadline) set_open(ledger, id, place_of(run, deadline)) end

-- Bound a ledger by age and by number. It may grow to twice the number, because trimming reads every row. As many rows
-- of backfills are kept beside the others: their due instants are the oldest, and they would push each other out at
-- once.
local LATEST_S = 1e12 -- after every instant

-- Whether a queued run may be older than its row: one that waits for its time, is retried, or follows another.
local function is_old_by_nature(row)
  local function has(mark) return string.find(row, mark, 1, true) end
  return has('"reason":"for later"') or has('"was":"') or has('"parent":"')
end

local function bound(limits, ledger)
  if redis.call('PTTL', ledger) < limits.ttl / 2 then redis.call('PEXPIRE', ledger, limits.ttl) end
  local length = redis.call('HLEN', ledger)
  if length <= 2 * limits.runs + 6 then return end
  -- One with rows of backfills is as long when it was just trimmed, and would be read at nearly every run.
  if length <= tonumber(redis.call('HGET', ledger, ':kept') or '0') + limits.runs then return end
  local rows = redis.call('HGETALL', ledger)
  local runs, of_backfills = {}, {}
  for i = 1, #rows, 2 do
    -- By pattern, because decoding every row would hold up Redis. A running run is kept whatever its age: its end must
    -- find it.
    local outcome = string.match(rows[i + 1], '"outcome":"(%l+)"')
    local is_kept = outcome == 'running' or (outcome == 'queued' and is_old_by_nature(rows[i + 1]))
    if string.sub(rows[i], 1, 1) ~= ':' and not is_kept then
      local due = tonumber(string.match(rows[i + 1], '"due":"([^"]*)"')) or 0
      local attempts = tonumber(string.match(rows[i + 1], '"attempt":"(%d+)"')) or 0
      local row = {id = rows[i], due = due, rank = due, ended = outcome ~= 'queued', attempts = attempts}
      if not string.find(rows[i + 1], '"backfill":"', 1, true) then
        runs[#runs + 1] = row
      elseif row.ended then
        -- Of a backfill, what went wrong is kept longest.
        if outcome ~= 'succeeded' then row.rank = due + LATEST_S end
        of_backfills[#of_backfills + 1] = row
      end
    end
  end
  -- Whoever delivers a trimmed run again learns from the floor that it ended, see claim.lua.
  local floor = tonumber(redis.call('HGET', ledger, ':floor') or 0)
  local trimmed = {}
  for _, several in ipairs({runs, of_backfills}) do
    table.sort(several, function(a, b) return a.rank < b.rank end)
    for i = 1, #several - limits.runs do
      trimmed[#trimmed + 1] = several[i].id
      noted.trimmed[several[i].id] = true
      for attempt = 1, several[i].attempts do redis.call('DEL', output_key(limits.prefix, several[i].id, attempt)) end
      if several[i].ended then floor = math.max(floor, several[i].due) end
    end
  end
  if #trimmed > 0 then
    in_parts('HDEL', ledger, trimmed)
    for _, index in ipairs({runs_key(limits.prefix), went_wrong_key(limits.prefix), skips_key(limits.prefix)}) do
      pcall(in_parts, 'ZREM', index, trimmed)
    end
  end
  redis.call('HSET', ledger, ':floor', string.format('%.6f', floor), ':kept', redis.call('HLEN', ledger))
end

-- Add a stretch of instants that do not run to a ledger. It joins the row before where that is the same kind, so that a
-- long pause is one row.
-- Returns whether it is a row of its own.
local function record_skip(limits, name, id, due, last, count, reason, detail, is_apart)
  local ledger = ledger_key(limits.prefix, name)
  local latest = redis.call('HGET', ledger, ':last')
  local run = latest and read_run(ledger, latest)
  local outcome = reason == 'forgotten' and 'lost' or 'skipped'
  local note = outcome == 'skipped' and note_skip or note_row
  tally(outcome == 'lost' and 'ended:lost:' or 'skipped:' .. reason, count)
  if not is_apart and run and run.outcome == outcome and run.reason == reason and run.detail == detail then
    run.count = tostring(tonumber(run.count or '1') + count)
    run['until'] = last
    write_run(limits.prefix, ledger, latest, run)
    note(last, latest)
    id = latest
  else
    run = {due = due, outcome = outcome, reason = reason, detail = detail, count = tostring(count)}
    run['until'] = last
    redis.call('HSET', ledger, id, cjson.encode(run), ':last', id)
    note(last, id)
  end
  note_recent(limits.prefix, ledger, id, run)
  note_outcome(name, outcome)
  bound(limits, ledger)
  return run.count == tostring(count)
end
