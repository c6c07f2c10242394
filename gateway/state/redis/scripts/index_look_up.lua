-- Values of one shard. KEYS: its head, then the bucket of each field.
-- ARGV: epoch of the server, identity of the log, generation, least n, then the fields.
-- Gives {epoch, 1, value or false, ...}, or {epoch, 0, identity, generation, n, buckets, key} when
-- the shard is not what was expected; a bucket without its mark is lost, and so is the shard.
local head = redis.call('HMGET', KEYS[1], 'identity', 'generation', 'n', 'buckets', 'key')
if head[1] ~= ARGV[2] or head[2] ~= ARGV[3] or tonumber(head[3]) < tonumber(ARGV[4]) then
  return {ARGV[1], 0, unpack(head)}
end
local found = {ARGV[1], 1}
for i = 2, #KEYS do
  local pair = redis.call('HMGET', KEYS[i], '', ARGV[i + 3])
  if not pair[1] then
    redis.call('DEL', KEYS[1])
    return {ARGV[1], 0, false, false, false, false, false}
  end
  found[i + 1] = pair[2]
end
return found
