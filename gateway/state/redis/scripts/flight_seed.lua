-- uses: flight_slot
-- Mark entries that the records have. ARGV: epoch, life, is_last, entries. Gives 1, or 0 when marks
-- may have been lost since the caller was told to: the records must be read anew. After the last,
-- an entry without a mark is one that nobody knows of.

local known = redis.call('HMGET', slot, '#epoch', '#life')
if known[1] ~= ARGV[1] or known[2] ~= ARGV[2] then
  return 0
end
for i = 4, #ARGV do
  redis.call('HSETNX', slot, '=' .. ARGV[i], 'S' .. seconds)
end
if ARGV[3] == '1' then
  redis.call('HSET', slot, '#whole', 1)
  redis.call('HDEL', slot, '#seeding')
end
return 1
