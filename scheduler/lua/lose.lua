-- Give up runs whose worker let the lease end; those that come with a message are sent again instead.
-- KEYS: lock, leases. ARGV: token, now, prefix, runs kept, TTL in ms, then for each run: id, queue, payload ('' for none), until.
-- Returns nil when the lock is not ours, else for each run 'lost', 'sent' or 'alive'.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
local now = tonumber(ARGV[2])
local limits = {prefix = ARGV[3], runs = tonumber(ARGV[4]), ttl = tonumber(ARGV[5])}
local answer = {}
for at = 6, #ARGV, 4 do
  local id, queue, payload, ends = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local key = run_key(limits.prefix, id)
  local lease = redis.call('ZSCORE', KEYS[2], id)
  local run = redis.call('HMGET', key, 'outcome', 'schedule')
  if not lease or tonumber(lease) > now then
    answer[#answer + 1] = 'alive'
  elseif run[1] ~= 'running' then
    redis.call('ZREM', KEYS[2], id)
    if not run[1] then redis.call('ZREM', open_key(limits.prefix, string.match(id, '^(.*)@')), id) end
    answer[#answer + 1] = 'alive'
  else
    redis.call('ZREM', KEYS[2], id)
    local open = open_key(limits.prefix, run[2])
    if payload ~= '' then
      redis.call('HSET', key, 'outcome', 'queued', 'reason', 'lost', 'detail', 'its worker vanished, so it was sent again')
      redis.call('ZADD', open, ends, id)
      redis.call('LPUSH', queue, payload)
      answer[#answer + 1] = 'sent'
    else
      redis.call('HSET', key, 'outcome', 'lost', 'finished', now, 'reason', 'lost', 'detail', 'its worker vanished')
      redis.call('ZREM', open, id)
      release_waiting(limits, run[2])
      answer[#answer + 1] = 'lost'
    end
  end
end
return answer
