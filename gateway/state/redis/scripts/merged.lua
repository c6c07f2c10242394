-- Ends a merge: puts saved mailings in where there is none that is later, and lets batches be
-- granted once their time has come.
--
-- KEYS  holds, mailings
-- ARGV  epoch, generation, then for each mailing: stream, id, started_at, last_at (Unix s)
-- gives 1, or 0 when another life has begun meanwhile
for at = 3, #ARGV, 4 do
  local found = redis.call('HGET', KEYS[2], ARGV[at])
  local last = found and tonumber(found:match('%S+$'))
  if not last or last < tonumber(ARGV[at + 3]) then
    redis.call('HSET', KEYS[2], ARGV[at], table.concat(ARGV, ' ', at + 1, at + 3))
  end
end
if redis.call('HGET', KEYS[1], 'e') ~= ARGV[1] .. ':' .. ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'm', 1)
return 1
