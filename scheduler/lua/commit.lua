-- Send a batch of runs: all of it, or nothing where the lock was lost.
-- KEYS: lock, schedule index.
-- ARGV: token ('' for a manual run, which needs no lock), now, prefix, runs kept, their TTL in ms, then for each entry:
--   name, revision, due before, due after ('keep' leaves it), score, last run as JSON, overlap, pause ended (0|1), definition
--   without the pause ('' leaves it), number of runs, number of skips,
--   {id, due, last, count, reason, detail}… for each skip, then for each run {id, due, task, task id, queue, payload, deadline, by}.
-- Returns nil when the lock is not ours; else for each entry a list: 'ok' or 'changed', then for each run
--   'sent', 'overlap' or 'waiting'.
if ARGV[1] ~= '' and redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end

local now = tonumber(ARGV[2])
local limits = {prefix = ARGV[3], runs = tonumber(ARGV[4]), ttl = tonumber(ARGV[5])}
local at = 6
local function take()
  local value = ARGV[at]
  at = at + 1
  return value
end

local function is_open(name)
  local open = open_key(limits.prefix, name)
  local gone = redis.call('ZRANGEBYSCORE', open, '-inf', now)
  for _, id in ipairs(gone) do
    redis.call('ZREM', open, id)
    local key = run_key(limits.prefix, id)
    local outcome = redis.call('HGET', key, 'outcome')
    if outcome == 'queued' then
      redis.call('HSET', key, 'outcome', 'skipped', 'finished', now, 'reason', 'expired', 'detail', 'no worker took it')
    elseif outcome == 'running' then
      redis.call('ZADD', open, '+inf', id)
    end
  end
  return redis.call('ZCARD', open) > 0
end

local function send(name, overlap, manual)
  local id, due, task, task_id, queue, payload, deadline, by = take(), take(), take(), take(), take(), take(), take(), take()
  local key = run_key(limits.prefix, id)
  if redis.call('EXISTS', key) == 1 then return 'sent' end
  local outcome = 'sent'
  if overlap ~= 'allow' then
    if is_open(name) then
      outcome = 'overlap'
      if overlap == 'queue' and redis.call('EXISTS', waiting_key(limits.prefix, name)) == 0 then
        outcome = 'waiting'
      end
    elseif release_waiting(limits, name) then
      outcome = 'waiting'
    end
  end
  if outcome == 'overlap' then
    if not manual then record_skip(limits, name, id, due, due, 1, 'overlap', 'the run before had not finished') end
    return outcome
  end
  redis.call('HSET', key, 'schedule', name, 'due', due, 'outcome', 'queued', 'task', task, 'task_id', task_id,
    'queue', queue, 'sent', now, 'manual', manual and 1 or 0, 'by', by)
  keep(limits, name, id, due)
  if outcome == 'waiting' then
    redis.call('HSET', waiting_key(limits.prefix, name), 'id', id, 'queue', queue, 'payload', payload, 'deadline', deadline)
    redis.call('PEXPIRE', waiting_key(limits.prefix, name), limits.ttl)
  else
    local open = open_key(limits.prefix, name)
    redis.call('ZADD', open, deadline, id)
    redis.call('PEXPIRE', open, limits.ttl)
    redis.call('LPUSH', queue, payload)
  end
  return outcome
end

local answer = {}
while at <= #ARGV do
  local name, revision, before, after = take(), take(), take(), take()
  local score, last, overlap, resumed, definition, runs = take(), take(), take(), take(), take(), tonumber(take())
  local key = limits.prefix .. name
  local now_is = redis.call('HMGET', key, 'revision', 'due', 'definition', 'seen', 'count')
  local same = (now_is[1] or '0') == revision and (now_is[2] or '') == before and now_is[3] and redis.sha1hex(now_is[3]) == now_is[4]
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
      at = at + 8
    end
  end
  answer[#answer + 1] = reply
end
return answer
