-- Send a batch of runs: all of it, or nothing where the lock was lost.
-- KEYS: lock, schedule index.
-- ARGV: token ('' for a manual run, which needs no lock), now, prefix, runs kept, their TTL in ms, then for each entry:
--   name, revision, due before, due after ('keep' leaves it), score, last run as JSON, overlap, pause ended (0|1), definition
--   without the pause ('' leaves it), number of runs, number of skips,
--   {id, due, last, count, reason, detail}… for each skip, then for each run {id, due, record for the ledger, queue, payload, deadline}.
-- Returns nil when the lock is not ours; else for each entry a list: 'ok' or 'changed', then for each run
--   'sent', 'overlap', 'waiting', or 'no queue' where its queue is a key of another kind.
if ARGV[1] ~= '' and redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end

local now = tonumber(ARGV[2])
local limits = {prefix = ARGV[3], runs = tonumber(ARGV[4]), ttl = tonumber(ARGV[5])}
local at = 6
local function take()
  local value = ARGV[at]
  at = at + 1
  return value
end

-- The open runs of a schedule, without those that nobody took in time.
local function still_open(ledger, text)
  local open = {}
  for _, run in ipairs(open_runs(text)) do
    if run.deadline == 'running' or tonumber(run.deadline) > now then
      open[#open + 1] = run
    else
      local gone = read_run(ledger, run.id)
      if gone and gone.outcome == 'queued' then
        gone.outcome, gone.reason, gone.detail, gone.finished = 'skipped', 'expired', 'no worker took it', ARGV[2]
        write_run(ledger, run.id, gone)
      end
    end
  end
  return open
end

-- An error in the middle would leave a run in the ledger that no worker ever gets.
local kinds = {}
local function is_list(queue)
  kinds[queue] = kinds[queue] or redis.call('TYPE', queue).ok
  return kinds[queue] == 'list' or kinds[queue] == 'none'
end

-- Noted in one step for each queue, and not for each run.
local sent, sent_at = {}, redis_time()
local function push_in_batch(queue, id, payload)
  redis.call('LPUSH', queue, payload)
  local members = sent[queue] or {}
  sent[queue] = members
  members[#members + 1] = sent_at
  members[#members + 1] = id
end

local function send(name, overlap, manual)
  local id, due, record, queue, payload, deadline = take(), take(), take(), take(), take(), take()
  local ledger = ledger_key(limits.prefix, name)
  if not is_list(queue) then
    if not manual then record_skip(limits, name, id, due, due, 1, 'no queue', queue .. ' is no list in Redis') end
    return 'no queue'
  end
  local found = redis.call('HMGET', ledger, id, ':open', ':waiting')
  if found[1] then return 'sent' end
  if overlap == 'allow' then
    redis.call('HSET', ledger, id, record, ':last', id)
    push_in_batch(queue, id, payload)
    return 'sent'
  end
  local open = still_open(ledger, found[2])
  if #open == 0 and not found[3] then
    redis.call('HSET', ledger, id, record, ':last', id, ':open', deadline .. ' ' .. id)
    push_in_batch(queue, id, payload)
    return 'sent'
  end
  redis.call('HSET', ledger, ':open', open_text(open))
  local released = release_waiting(limits.prefix, ledger)
  if overlap == 'queue' and (released or not found[3]) then
    local held = {id = id, queue = queue, payload = payload, deadline = deadline}
    redis.call('HSET', ledger, id, record, ':last', id, ':waiting', cjson.encode(held))
    return 'waiting'
  end
  if not manual then record_skip(limits, name, id, due, due, 1, 'overlap', 'the run before had not finished') end
  return 'overlap'
end

local answer = {}
while at <= #ARGV do
  local name, revision, before, after = take(), take(), take(), take()
  local score, last, overlap, resumed, definition, runs = take(), take(), take(), take(), take(), tonumber(take())
  local key = limits.prefix .. name
  local now_is = redis.call('HMGET', key, 'revision', 'due', 'definition', 'seen', 'count')
  local same = now_is[3] and (now_is[1] or '0') == revision
  if after ~= 'keep' then -- a manual run has no part in what beat decides
    same = same and (now_is[2] or '') == before and redis.sha1hex(now_is[3]) == now_is[4]
  end
  local reply = {same and 'ok' or 'changed'}
  if same and after ~= 'keep' then
    if runs > 0 then
      local count = (tonumber(now_is[5]) or 0) + runs
      local meta = '{"last_run_at": ' .. last .. ', "total_run_count": ' .. count .. '}'
      redis.call('HSET', key, 'due', after, 'count', count, 'meta', meta)
    else
      redis.call('HSET', key, 'due', after)
    end
    redis.call('ZADD', KEYS[2], score, key)
    if resumed == '1' then
      redis.call('HDEL', key, 'pause')
      if definition ~= '' then redis.call('HSET', key, 'definition', definition, 'seen', redis.sha1hex(definition)) end
      redis.call('HSET', key, 'revision', next_revision(limits.prefix))
    end
  end
  for _ = 1, tonumber(take()) do
    local id, due, last, count, reason, detail = take(), take(), take(), take(), take(), take()
    if same then record_skip(limits, name, id, due, last, tonumber(count), reason, detail) end
  end
  for _ = 1, runs do
    if same then
      reply[#reply + 1] = send(name, overlap, after == 'keep')
    else
      at = at + 6
    end
  end
  if same and runs > 0 then bound(limits, ledger_key(limits.prefix, name)) end
  answer[#answer + 1] = reply
end
for queue, members in pairs(sent) do note_sent(limits.prefix, queue, members) end
return answer
