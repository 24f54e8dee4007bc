-- Take a run before its body starts.
-- KEYS: none. ARGV: prefix, runs kept, TTL in ms, id, name, now, worker, lease's end, due, task, task id, token.
-- Returns 'claimed', or the outcome that the run has already. The same token may claim again.
local limits = {prefix = ARGV[1], runs = tonumber(ARGV[2]), ttl = tonumber(ARGV[3])}
local id, name, now, worker, ends = ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local key = run_key(limits.prefix, id)
local outcome = redis.call('HGET', key, 'outcome')
if outcome == 'running' and redis.call('HGET', key, 'claim') == ARGV[12] then return 'claimed' end
if outcome and outcome ~= 'queued' then return outcome end
if not outcome then
  -- The record was lost with its Redis; the message lived on elsewhere.
  redis.call('HSET', key, 'schedule', name, 'due', ARGV[9], 'task', ARGV[10], 'task_id', ARGV[11])
  keep(limits, name, id, ARGV[9])
end
redis.call('HSET', key, 'outcome', 'running', 'worker', worker, 'claim', ARGV[12])
redis.call('HSETNX', key, 'started', now)
redis.call('HINCRBY', key, 'attempt', 1)
redis.call('ZADD', leases_key(limits.prefix), ends, id)
redis.call('ZADD', open_key(limits.prefix, name), '+inf', id)
redis.call('PEXPIRE', open_key(limits.prefix, name), limits.ttl)
return 'claimed'
