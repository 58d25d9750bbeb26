#!/bin/sh
# Builds the image for training and serving and pushes it to ECR: launchers/container/build_and_push.sh <region> [<repository>]
# Needs docker, the AWS CLI and permissions on ECR. TORCH_INDEX_URL=... selects another build of torch, and
# BASE=python:3.11-slim-bookworm@sha256:... pins the base image. The tag is a hash of all inputs; if the repository has that
# tag already, nothing is built.
set -eu

region=${1:?"which region? launchers/container/build_and_push.sh eu-west-1"}
repository=${2:-battery_lab}
cd "$(dirname "$0")/../.."

account=$(aws sts get-caller-identity --query Account --output text)
host="$account.dkr.ecr.$region.amazonaws.com"
export LC_ALL=C
files=$(sha256sum requirements.lock requirements-job.lock battery_lab/__init__.py battery_lab/common/*.py \
    battery_lab/serving/*.py launchers/container/Dockerfile launchers/container/start \
    launchers/container/serve)
tag=$(echo "$files ${TORCH_INDEX_URL:-} ${BASE:-}" | sha256sum | cut -c1-12)
image="$host/$repository:$tag"

aws ecr describe-repositories --region "$region" --repository-names "$repository" >/dev/null 2>&1 \
    || aws ecr create-repository --region "$region" --repository-name "$repository" \
        --image-tag-mutability IMMUTABLE --image-scanning-configuration scanOnPush=true >/dev/null
if aws ecr describe-images --region "$region" --repository-name "$repository" --image-ids "imageTag=$tag" \
    >/dev/null 2>&1; then
    echo "image exists already: hydra.launcher.image_uri=$image"
    exit
fi
aws ecr get-login-password --region "$region" | docker login --username AWS --password-stdin "$host"
docker build --platform linux/amd64 --file launchers/container/Dockerfile \
    --build-arg "TORCH_INDEX_URL=${TORCH_INDEX_URL:-}" ${BASE:+--build-arg "BASE=$BASE"} --tag "$image" .
docker push "$image"
echo "hydra.launcher.image_uri=$image"
