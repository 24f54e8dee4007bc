-- Put alerts into the outboxes of their sinks and remember what they said, in one step, while this beat leads.
-- KEYS: lock. ARGV: token, prefix, number of arguments of `told`, then these: field, value ('' to forget it)…, then
--   sink, alert…
-- Returns nil when the lock is not ours, else 1.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
local MAX_WAITING = 1000 -- alerts for one sink; a sink that takes none for long gets the newest
local ALERTS_TTL_S = 7 * 86400
local TOLD_TTL_S = 366 * 86400
local prefix, last = ARGV[2], 3 + tonumber(ARGV[3])
for at = 4, last, 2 do
  if ARGV[at + 1] == '' then
    redis.call('HDEL', told_key(prefix), ARGV[at])
  else
    redis.call('HSET', told_key(prefix), ARGV[at], ARGV[at + 1])
  end
end
redis.call('EXPIRE', told_key(prefix), TOLD_TTL_S)
for at = last + 1, #ARGV, 2 do
  local outbox = alert_outbox_key(prefix, ARGV[at])
  redis.call('RPUSH', outbox, ARGV[at + 1])
  redis.call('LTRIM', outbox, -MAX_WAITING, -1)
  redis.call('EXPIRE', outbox, ALERTS_TTL_S)
end
return 1
