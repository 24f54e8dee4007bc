-- Write how a run ended, and let go what waits for it.
-- KEYS: none, or what Celery notes of the messages under way: a hash and two sorted sets. ARGV: prefix, id, outcome,
-- who says so, when, until, 1 to write it only while no worker runs it, then what Celery stores of a success: key,
-- value and seconds to keep it, or three times '' for nothing; the run's message among those under way, which needs no
-- other acknowledgement; then field, value… Who says so is the token of a claim, or, from a worker's main process, the
-- worker that claimed; '' is of no claim. A run that another worker has claimed since is not this one's to end: it was
-- given up, or handed back, and runs again.
-- 'queued' means that it will be tried again when it says, and counts as waiting in its queue until then; `finished`
-- and `error` are of the attempt that ended. Returns 1 if it was written: an ended run keeps its end, but one that was
-- given up as lost takes the word of the worker that held it. A run that a person asked to stop has stopped however its
-- body took that, unless it succeeded.
local prefix, id, outcome = ARGV[1], ARGV[2], ARGV[3]
-- As Celery's own backend does it: the first success stays, and who waits for the result is told, whatever the ledger
-- says of the run.
local key, value, seconds = ARGV[8], ARGV[9], tonumber(ARGV[10])
if key ~= '' and redis.call('GETRANGE', key, 0, #'{"status": "SUCCESS"' - 1) ~= '{"status": "SUCCESS"' then
  if seconds and seconds > 0 then redis.call('SETEX', key, ARGV[10], value) else redis.call('SET', key, value) end
  redis.call('PUBLISH', key, value)
end
if #KEYS > 0 then
  redis.call('HDEL', KEYS[1], ARGV[11])
  redis.call('ZREM', KEYS[2], ARGV[11])
  redis.call('ZREM', KEYS[3], ARGV[11])
end
local ledger, run, last, open, waiting, health, slow, recent =
  find_run(prefix, id, ':last', ':open', ':waiting', ':health', ':slow', ':recent')
if not run then
  -- The row was trimmed while the run was open. It must not hold up the run that waits for it.
  redis.call('ZREM', leases_key(prefix), id)
  forget_open(prefix, ledger, id)
  return 0
end
-- What becomes of a second delivery says nothing of the run: a worker may have claimed it from the first.
if ARGV[7] == '1' and run.outcome ~= 'queued' then return 0 end
local was_queued = run.outcome == 'queued'
local is_open = was_queued or run.outcome == 'running'
local by = ARGV[4]
if run.outcome == 'running' and by ~= '' and by ~= run.claim and by ~= run.worker then return 0 end
if not is_open and not (run.outcome == 'lost' and by ~= '' and run.claim == by) then return 0 end
-- A body may go on although its run was handed back, or given up. Only its own claim rewrites how that attempt ended.
local is_of_body = not was_queued or by ~= '' and by == run.claim
if run.earlier and is_of_body then forget_attempt(run) end
run.outcome = outcome
for i = 12, #ARGV, 2 do run[ARGV[i]] = ARGV[i + 1] end
local why = outcome ~= 'succeeded' and asked_to_stop(prefix, id)
if why then
  outcome = 'stopped'
  stop_run(prefix, id, run, why, tonumber(run.finished or '0') > 0 and run.finished or redis_time())
end
if outcome == 'queued' then
  if is_of_body then
    keep_attempt(run, run.reason == 'handed back' and 'interrupted' or 'failed', run.finished, run.error)
  end
  run.finished = '0'
end
run.error = nil -- the attempt has it
if run.reason == 'expired' then expire(run, run.finished) end
local place = outcome == 'queued' and place_of(run, ARGV[6]) or nil
redis.call('HSET', ledger, id, cjson.encode(run), ':open', open_with(open, id, place))
if last == id then index_outcome(prefix, ledger, run) end
-- One that counted as lost must not count twice.
if is_open then
  note_end(prefix, ledger, id, run, health or '', recent or '')
else
  redis.pcall('ZREM', went_wrong_key(prefix), id)
  recount(prefix, ledger)
  if run.backfill then redis.pcall('HINCRBY', backfills_key(prefix), name_of(prefix, ledger) .. '\nlost', -1) end
  note_backfilled(prefix, ledger, run)
  if run.followers then follow(prefix, ledger, id, run) end
  note_ping(prefix, name_of(prefix, ledger), id, run, PING_ENDS[run.outcome])
end
note_expired(prefix, ledger, run)
-- A run that no worker began keeps its place there: it still expires, also while a worker holds its message back.
if outcome ~= 'queued' or run.attempt then redis.call('ZREM', leases_key(prefix), id) end
if outcome == 'queued' then
  if run.queue then note_sent(prefix, run.queue, {ARGV[5], id}) end
  return 1
end
note_duration(prefix, ledger, id, run, slow)
if was_queued then was_claimed(prefix, run, id) end
if waiting or run.group then let_others_go(prefix, ledger, id, run) end
return 1
