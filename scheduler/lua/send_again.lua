-- Send runs again whose message was lost before a worker claimed them; those that come without a message have ended
-- instead.
-- KEYS: lock. ARGV: token, now, prefix, then for each run: id, its queue, when it was pushed, queue now, payload (''
--   for none), until, outcome and reason of one that has ended.
-- Returns nil when the lock is not ours, else for each run 'sent', 'ended', or 'gone' for one that was claimed
-- meanwhile.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
local prefix = ARGV[3]

local function settle(id, queue, pushed, queue_now, payload, ends, outcome, reason)
  local sent = sent_key(prefix, queue)
  if redis.call('ZSCORE', sent, id) ~= pushed then return 'gone' end
  redis.call('ZREM', sent, id)
  local ledger = home(prefix, id)
  local run = read_run(ledger, id)
  if not run or run.outcome ~= 'queued' then return 'gone' end
  if payload ~= '' then
    run.queue = list_of(queue_now)
    because(run, 'resent')
    write_run(prefix, ledger, id, run)
    set_open_run(ledger, id, run, ends)
    push(prefix, queue_now, id, payload)
    return 'sent'
  end
  run.outcome, run.finished = outcome, ARGV[2]
  because(run, reason)
  write_run(prefix, ledger, id, run)
  note_end(prefix, ledger, id, run)
  note_expired(prefix, ledger, run)
  make_way(prefix, ledger, id, run)
  return 'ended'
end

local answer = {}
for at = 4, #ARGV, 8 do answer[#answer + 1] = settle(unpack(ARGV, at, at + 7)) end
return answer
