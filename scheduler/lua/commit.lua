-- Send a batch of runs: all of it, or nothing where the lock was lost.
-- KEYS: lock, schedule index.
-- ARGV: token ('' for a manual run, which needs no lock), now, prefix, runs kept, their TTL in ms, then for each entry:
--   name, revision, due before, due after ('keep' leaves it), score, last run as JSON, overlap, how many words of the unusual follow:
--     [pause ended (0|1), definition without the pause ('' leaves it), due after and score if not every run was sent ('' for the
--     same), {id, due, last, count, reason, detail}… for each skip], number of runs,
--   then for each run {id, record for the ledger, queue, payload, deadline}.
-- Returns nil when the lock is not ours; else a list for each entry of which not every run was sent: its number from 1, 'changed',
--   'broken' and what is wrong with its ledger, or for each run 'sent', 'overlap', 'waiting', or 'no queue' where its queue is a key
--   of another kind.
if ARGV[1] ~= '' and redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end

local now = tonumber(ARGV[2])
local limits = {prefix = ARGV[3], runs = tonumber(ARGV[4]), ttl = tonumber(ARGV[5])}
local at = 6

local function skip_run(name, id, record, reason, detail)
  local due = cjson.decode(record).due
  record_skip(limits, name, id, due, due, 1, reason, detail)
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
        gone.outcome, gone.finished = 'skipped', ARGV[2]
        because(gone, 'expired')
        write_run(ledger, run.id, gone)
      end
    end
  end
  return open
end

-- An error in the middle would leave a run in the ledger that no worker ever gets.
local kinds = {}
local function is_list(queue)
  kinds[queue] = kinds[queue] or redis.call('TYPE', (list_of(queue))).ok
  return kinds[queue] == 'list' or kinds[queue] == 'none'
end

-- Pushed and noted at the end, in one step for each queue, and not for each run.
local pushes, pushed_at = {}, redis_time()
local function push_in_batch(queue, id, payload)
  local mine = pushes[queue] or {payloads = {}, members = {}}
  pushes[queue] = mine
  mine.payloads[#mine.payloads + 1] = payload
  mine.members[#mine.members + 1] = pushed_at
  mine.members[#mine.members + 1] = id
end

-- A run that stands in the ledger is not sent again, although the clock was set back.
local function send(name, ledger, overlap, manual)
  local id, record, queue, payload, deadline = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  at = at + 5
  if not is_list(queue) then
    if not manual then skip_run(name, id, record, 'no queue', list_of(queue) .. ' is not a list in Redis') end
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
  if not manual then skip_run(name, id, record, 'overlap', '') end
  return 'overlap'
end

-- The entry as it shall be after its runs; its place in the index changes at the end.
local moved = {}
local function advance(key, runs, after, score, last, count)
  if runs > 0 then
    local meta = '{"last_run_at": ' .. last .. ', "total_run_count": ' .. count .. '}'
    redis.call('HSET', key, 'due', after, 'count', count, 'meta', meta)
  else
    redis.call('HSET', key, 'due', after)
  end
  moved[#moved + 1] = score
  moved[#moved + 1] = key
end

local function end_pause(key, definition)
  redis.call('HDEL', key, 'pause')
  if definition ~= '' then redis.call('HSET', key, 'definition', definition, 'seen', redis.sha1hex(definition)) end
  redis.call('HSET', key, 'revision', next_revision(limits.prefix))
end

-- What Redis says of itself, that it is full or a replica, is no damage of a ledger.
local function says_of_itself(wrong)
  local code, said = string.match(wrong, '(%u%u%u+)( .*)')
  return code and code ~= 'WRONGTYPE' and code ~= 'ERR' and code .. said
end

local answer, number = {}, 0
while at <= #ARGV do
  local name, revision, before, after, score = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  local last, overlap, words = ARGV[at + 5], ARGV[at + 6], tonumber(ARGV[at + 7])
  local unusual = at + 8
  local runs = tonumber(ARGV[unusual + words])
  at = unusual + words + 1
  number = number + 1
  local key, manual = limits.prefix .. name, after == 'keep'
  local now_is = redis.call('HMGET', key, 'revision', 'due', 'definition', 'seen', 'count')
  local same = now_is[3] and (now_is[1] or '0') == revision
  if not manual then -- a manual run has no part in what beat decides
    same = same and (now_is[2] or '') == before and redis.sha1hex(now_is[3]) == now_is[4]
  end
  if not same then
    at = at + 5 * runs
    answer[#answer + 1] = {number, 'changed'}
  else
    local ledger = ledger_key(limits.prefix, name)
    local outcomes, sent, ends = {}, 0, at + 5 * runs
    local fine, wrong = pcall(function()
      for skip = unusual + 4, unusual + words - 1, 6 do
        record_skip(limits, name, ARGV[skip], ARGV[skip + 1], ARGV[skip + 2], tonumber(ARGV[skip + 3]), ARGV[skip + 4], ARGV[skip + 5])
      end
      for run = 1, runs do
        outcomes[run] = send(name, ledger, overlap, manual)
        if outcomes[run] == 'sent' or outcomes[run] == 'waiting' then sent = sent + 1 end
      end
      if not manual then
        if sent < runs and words > 0 and ARGV[unusual + 3] ~= '' then after, score = ARGV[unusual + 2], ARGV[unusual + 3] end
        advance(key, runs, after, score, last, (tonumber(now_is[5]) or 0) + sent)
        if words > 0 and ARGV[unusual] == '1' then end_pause(key, ARGV[unusual + 1]) end
      end
      if runs > 0 then bound(limits, ledger) end
    end)
    at = ends
    if not fine then -- somebody else wrote there: if the step ended here, what stands in the other ledgers would never be pushed
      wrong = type(wrong) == 'table' and wrong.err or tostring(wrong)
      if says_of_itself(wrong) then return redis.error_reply(says_of_itself(wrong)) end
      answer[#answer + 1] = {number, 'broken', ledger .. ' is damaged: ' .. wrong}
    elseif sent < runs then
      answer[#answer + 1] = {number, unpack(outcomes)}
    end
  end
end
for queue, mine in pairs(pushes) do push_all(limits.prefix, queue, mine.payloads, mine.members) end
if #moved > 0 then in_parts('ZADD', KEYS[2], moved) end
return answer
