-- Take runs out of the outbox, all with the same verdict: published, or ended without.
-- KEYS: lock, outbox. ARGV: token, now, prefix, outcome ('queued' is published), reason, detail, then for each run: its
--   text, its id ('' where the text cannot be read), the broker's queue that has it now ('' where only the broker
--   knows).
-- Returns nil when the lock is not ours, else 1.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
local now, prefix, outcome = ARGV[2], ARGV[3], ARGV[4]

local function settle(id, queue)
  local ledger = home(prefix, id)
  local run = read_run(ledger, id)
  -- It was published before a crash, and is under way already or done.
  if run and run.outcome ~= 'queued' then return end
  if run and outcome == 'queued' then
    run.sent, run.queue = now, queue ~= '' and queue or nil
    write_run(prefix, ledger, id, run)
    if run.queue then note_sent(prefix, queue, {redis_time(), id}) end
  elseif run then
    run.outcome, run.finished = outcome, now
    because(run, ARGV[5], ARGV[6])
    write_run(prefix, ledger, id, run)
    note_end(prefix, ledger, id, run)
  end
  if outcome ~= 'queued' then make_way(prefix, ledger, id, run) end
end

for at = 7, #ARGV, 3 do
  if redis.call('LREM', KEYS[2], -1, ARGV[at]) == 1 and ARGV[at + 1] ~= '' then settle(ARGV[at + 1], ARGV[at + 2]) end
end
return 1
