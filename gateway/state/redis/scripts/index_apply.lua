-- Brings one shard from change `from` or a later one to change `to`.
-- KEYS: head of the shard, then the bucket of each entry. ARGV: identity, generation, from, to,
-- key of change `to`, then field and value of each entry; an empty value removes it.
-- Gives n of the shard when done, which is below `to` when it stands before `from` and nothing was
-- done; -1 when it is another generation or none.
local head = redis.call('HMGET', KEYS[1], 'identity', 'generation', 'n')
if head[1] ~= ARGV[1] or head[2] ~= ARGV[2] then return -1 end
local n, to = tonumber(head[3]), tonumber(ARGV[4])
if n >= to or n < tonumber(ARGV[3]) then return n end
for i = 2, #KEYS do
  local field, value = ARGV[2 * i + 2], ARGV[2 * i + 3]
  if value == '' then
    redis.call('HDEL', KEYS[i], field)
  else
    redis.call('HSET', KEYS[i], field, value)
  end
end
redis.call('HSET', KEYS[1], 'n', ARGV[4], 'key', ARGV[5])
return to
