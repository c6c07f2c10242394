-- uses: flight_slot
-- Mark entries that the records have. ARGV: epoch, is_last, entries. Gives 1, or 0 when the server is
-- another one by now. After the last, an entry without a mark is one that nobody knows of.

if redis.call('HGET', slot, '#epoch') ~= ARGV[1] then
  return 0
end
for i = 3, #ARGV do
  redis.call('HSETNX', slot, '=' .. ARGV[i], 'S' .. seconds)
end
if ARGV[2] == '1' then
  redis.call('HSET', slot, '#whole', 1)
  redis.call('HDEL', slot, '#seeding')
end
return 1
