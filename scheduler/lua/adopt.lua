-- Write our fields beside a definition that another program saved, if it is still that definition.
-- KEYS: lock, schedule index, entry, audit log. ARGV: token, SHA-1 of the definition that was read, score, prefix, line
--   for the audit log, its length, {field, value}…
-- Returns 1 when it was done.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local definition = redis.call('HGET', KEYS[3], 'definition')
if not definition or redis.sha1hex(definition) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[3], unpack(ARGV, 7))
redis.call('HSET', KEYS[3], 'seen', redis.sha1hex(redis.call('HGET', KEYS[3], 'definition')))
redis.call('HSET', KEYS[3], 'revision', next_revision(ARGV[4]))
redis.call('ZADD', KEYS[2], ARGV[3], KEYS[3])
local name = string.sub(KEYS[3], #ARGV[4] + 1)
if ARGV[5] ~= '' then note_line(ARGV[4], KEYS[4], ARGV[6], name, ARGV[5]) end
note_changed(ARGV[4], {name})
index_quarantine(ARGV[4], name)
note_outcome(name, last_outcome(ledger_key(ARGV[4], name)))
write_indexes(ARGV[4])
return 1
