-- What several scripts need of the ledger. It is put in front of each of them.
-- <prefix>:ledger:<name> is a hash: a schedule's runs, each a JSON object of texts under its id, and beside them
--   ':last' the id of the row that was added last, ':open' the runs that are queued or running (lines 'deadline id' or 'running id',
--   the deadline being the time when a queued one counts as gone), ':waiting' the one that `overlap: queue` holds back,
--   ':floor' the youngest due instant of an ended run that was trimmed.
-- <prefix>:sent:<queue> holds the id of every run whose message was pushed there and that no worker claimed yet, scored with the
--   time of that by Redis's clock; <prefix>:queues holds those queues.
-- <prefix>:leases holds the id of every running run, scored with the time until which its worker answers for it.

local function ledger_key(prefix, name) return prefix .. ':ledger:' .. name end
local function leases_key(prefix) return prefix .. ':leases' end
local function sent_key(prefix, queue) return prefix .. ':sent:' .. queue end
local function queues_key(prefix) return prefix .. ':queues' end
local function moved_key(prefix, name) return prefix .. ':moved:' .. name end

-- One counter for all entries: a name that was removed and made again never meets its old revision.
local function next_revision(prefix) return redis.call('INCR', prefix .. ':revision') end

-- The ledger in which a run stands: its schedule's, or the one of the name that the schedule has now.
local function home(prefix, id)
  local name = string.match(id, '^(.*)@')
  if redis.call('EXISTS', ledger_key(prefix, name)) == 0 then
    name = redis.call('GET', moved_key(prefix, name)) or name
  end
  return ledger_key(prefix, name)
end

-- A row that somebody else damaged is none.
local function read_run(ledger, id)
  local text = redis.call('HGET', ledger, id)
  local is_json, run = pcall(cjson.decode, text or '')
  return is_json and type(run) == 'table' and run.outcome and run or nil
end

-- Why a run did not end as it should, or was sent again: a word of model/reasons.py, which has its sentence too; detail adds facts.
local function because(run, reason, detail)
  run.reason, run.detail = reason, detail ~= '' and detail or nil
end

local function write_run(ledger, id, run) redis.call('HSET', ledger, id, cjson.encode(run)) end

-- The only clock by which messages can be told older and younger, whichever beat pushed them.
local function redis_time()
  local time = redis.call('TIME')
  return string.format('%d.%06d', time[1], time[2])
end

-- A command with all of these arguments, as many at once as Lua can pass on.
local function in_parts(command, key, arguments)
  for at = 1, #arguments, 1000 do
    redis.call(command, key, unpack(arguments, at, math.min(at + 999, #arguments)))
  end
end

-- Remember that no worker has claimed these runs yet: {time, id}…
local function note_sent(prefix, queue, members)
  if queue == prefix .. ':outbox' then -- no worker looks there: beat takes them on, and must hear of them
    redis.call('PUBLISH', prefix .. ':wake', '1')
    return
  end
  in_parts('ZADD', sent_key(prefix, queue), members)
  redis.call('SADD', queues_key(prefix), queue)
  for _, key in ipairs({sent_key(prefix, queue), queues_key(prefix)}) do redis.call('EXPIRE', key, 30 * 86400) end
end

-- The list of a queue; and the commands that go along with each message, which may stand behind it as [[command, argument…]…].
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

local function push(prefix, queue, id, payload) push_all(prefix, queue, {payload}, {redis_time(), id}) end

local function was_claimed(prefix, run, id)
  if run.queue then redis.call('ZREM', sent_key(prefix, run.queue), id) end
end

local function open_runs(text)
  local open = {}
  for deadline, id in string.gmatch(text or '', '(%S+) ([^\n]+)') do open[#open + 1] = {id = id, deadline = deadline} end
  return open
end

local function open_text(open)
  local parts = {}
  for i, run in ipairs(open) do parts[i] = run.deadline .. ' ' .. run.id end
  return table.concat(parts, '\n')
end

-- Set a run's place among the open ones: a deadline, 'running', or nil for none.
local function set_open(ledger, id, deadline)
  local left = {}
  for _, run in ipairs(open_runs(redis.call('HGET', ledger, ':open'))) do
    if run.id ~= id then left[#left + 1] = run end
  end
  if deadline then left[#left + 1] = {id = id, deadline = deadline} end
  redis.call('HSET', ledger, ':open', open_text(left))
  return #left
end

-- Bound a ledger by age, and by number: it may grow to twice what is kept, so that trimming is rare.
local function bound(limits, ledger)
  if redis.call('PTTL', ledger) < limits.ttl / 2 then redis.call('PEXPIRE', ledger, limits.ttl) end
  if redis.call('HLEN', ledger) <= 2 * limits.runs + 4 then return end
  local rows = redis.call('HGETALL', ledger)
  local found = {}
  for i = 1, #rows, 2 do
    local outcome = string.match(rows[i + 1], '"outcome":"(%l+)"')
    if string.sub(rows[i], 1, 1) ~= ':' and outcome ~= 'running' then
      local due = tonumber(string.match(rows[i + 1], '"due":"([^"]*)"')) or 0
      found[#found + 1] = {id = rows[i], due = due, ended = outcome ~= 'queued'}
    end
  end
  table.sort(found, function(a, b) return a.due < b.due end)
  local floor = tonumber(redis.call('HGET', ledger, ':floor') or 0)
  for i = 1, #found - limits.runs do
    redis.call('HDEL', ledger, found[i].id)
    if found[i].ended then floor = math.max(floor, found[i].due) end
  end
  redis.call('HSET', ledger, ':floor', string.format('%.6f', floor))
end

local function record_skip(limits, name, id, due, last, count, reason, detail)
  local ledger = ledger_key(limits.prefix, name)
  local latest = redis.call('HGET', ledger, ':last')
  local run = latest and read_run(ledger, latest)
  if run and run.outcome == 'skipped' and run.reason == reason and run.detail == detail then
    run.count = tostring(tonumber(run.count or '1') + count)
    run['until'] = last
    write_run(ledger, latest, run)
  else
    run = {due = due, outcome = 'skipped', reason = reason, detail = detail, count = tostring(count)}
    run['until'] = last
    redis.call('HSET', ledger, id, cjson.encode(run), ':last', id)
  end
  bound(limits, ledger)
end

-- Push what `overlap: queue` held back, once nothing of the schedule is queued or running any more.
local function release_waiting(prefix, ledger)
  local text = redis.call('HGET', ledger, ':waiting')
  if not text or #open_runs(redis.call('HGET', ledger, ':open')) > 0 then return false end
  local held = cjson.decode(text)
  redis.call('HDEL', ledger, ':waiting')
  set_open(ledger, held.id, held.deadline)
  push(prefix, held.queue, held.id, held.payload)
  return true
end

-- A run whose record was trimmed while it went on: what waits for its end must not wait for ever.
local function forget_open(prefix, ledger, id)
  if redis.call('HEXISTS', ledger, ':open') == 0 then return end
  set_open(ledger, id, nil)
  release_waiting(prefix, ledger)
end
