-- Strikes off what is saved, unless it has changed since.
--
-- KEYS  dirty, mailings, then a window for each bucket
-- ARGV  number of mailings, then for each: stream, what was saved; then for each window: bucket
--       number, what was saved, member of the set
local streams = tonumber(ARGV[1])
for place = 1, streams do
  local stream, saved = ARGV[2 * place], ARGV[2 * place + 1]
  if redis.call('HGET', KEYS[2], stream) == saved then
    redis.call('SREM', KEYS[1], 'm ' .. stream)
  end
end
for place = 1, #KEYS - 2 do
  local at = 2 + 2 * streams + 3 * (place - 1)
  local here = redis.call('HGET', KEYS[2 + place], ARGV[at])
  if not here or here == ARGV[at + 1] then redis.call('SREM', KEYS[1], ARGV[at + 2]) end
end
return 0
