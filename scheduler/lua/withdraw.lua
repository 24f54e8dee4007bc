-- Take back a stretch of skips, or a part of it, because its instants are ahead again.
-- KEYS: lock, ledger. ARGV: token, the row's id and record as they were read, the id and record of what is left ('' for
--   nothing), the id for ':last' if the row was that ('' for none), prefix. Returns 1 if it was done; the row may have
--   been changed or the lock lost.
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('HGET', KEYS[2], ARGV[2]) ~= ARGV[3] then return 0 end
redis.call('HDEL', KEYS[2], ARGV[2])
for _, index in ipairs({runs_key(ARGV[7]), skips_key(ARGV[7])}) do redis.pcall('ZREM', index, ARGV[2]) end
if ARGV[4] ~= '' then
  redis.call('HSET', KEYS[2], ARGV[4], ARGV[5])
  note_skip(cjson.decode(ARGV[5])['until'], ARGV[4])
end
if redis.call('HGET', KEYS[2], ':last') == ARGV[2] then
  redis.call('HDEL', KEYS[2], ':last')
  if ARGV[6] ~= '' then redis.call('HSET', KEYS[2], ':last', ARGV[6]) end
  note_outcome(name_of(ARGV[7], KEYS[2]), last_outcome(KEYS[2]))
end
recount_recent(ARGV[7], KEYS[2], redis.call('HGETALL', KEYS[2]))
write_indexes(ARGV[7])
return 1
