-- Give up runs whose worker let the lease end; those that come with a message are sent again instead. Runs that no
-- worker claimed before they expired are skipped.
-- KEYS: lock, leases. ARGV: token, now, prefix, then for each run: id, queue, payload ('' for none), until, why
--   it is lost.
-- Returns nil when the lock is not ours, else for each run 'lost', 'stopped', 'sent', 'skipped' or 'alive'.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
local now, prefix = tonumber(ARGV[2]), ARGV[3]

local function settle_expired(ledger, id, run)
  expire(run, ARGV[2])
  local was_held = let_go(prefix, ledger, id, run)
  if was_held then
    run.sent = nil -- it never was in a queue
    expire(run, ARGV[2], 'it expired while it was held back')
  end
  write_run(prefix, ledger, id, run)
  note_end(prefix, ledger, id, run)
  if not was_held then note_expired(prefix, ledger, run) end
  drop_expired(prefix, run.queue)
end

local function settle(id, queue, payload, ends, reason)
  local lease = redis.call('ZSCORE', KEYS[2], id)
  -- Its worker renewed the lease meanwhile, or closed the run.
  if not lease or tonumber(lease) > now then return 'alive' end
  redis.call('ZREM', KEYS[2], id)
  local ledger = home(prefix, id)
  local run = read_run(ledger, id)
  if not run then forget_open(prefix, ledger, id) end
  if run and run.outcome == 'queued' then
    settle_expired(ledger, id, run)
    return 'skipped'
  end
  if not run or run.outcome ~= 'running' then
    if run then drop_expired(prefix, run.queue) end
    return 'alive'
  end
  local why = asked_to_stop(prefix, id)
  if payload ~= '' and not why then
    -- In parentheses, because list_of returns two values.
    keep_attempt(run, 'lost', ARGV[2])
    run.outcome, run.queue = 'queued', (list_of(queue))
    because(run, 'rerun')
    write_run(prefix, ledger, id, run)
    set_open_run(ledger, id, run, ends)
    push(prefix, queue, id, payload)
    return 'sent'
  end
  run.outcome, run.finished = 'lost', ARGV[2]
  because(run, reason)
  if why then stop_run(prefix, id, run, why, ARGV[2]) end
  write_run(prefix, ledger, id, run)
  note_end(prefix, ledger, id, run)
  make_way(prefix, ledger, id, run)
  if why then return 'stopped' end
  return 'lost'
end

local answer = {}
for at = 4, #ARGV, 5 do answer[#answer + 1] = settle(unpack(ARGV, at, at + 4)) end
return answer
