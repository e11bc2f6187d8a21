"""What botocore signs, and what it lists: reads cases as JSON lines, and answers each with a line.

It is asked as its users ask it, through a client; only the clock is replaced, and `x-id`, which botocore leaves out and
aws-sdk-s3 writes, is added to the request before it is signed.
"""

import datetime
import functools
import json
import sys

import botocore.auth
import botocore.awsrequest
import botocore.session
import botocore.signers
from botocore.config import Config

now = datetime.datetime(1970, 1, 1)
for module in (botocore.auth, botocore.signers):
    module.get_current_datetime = lambda remove_tzinfo=True: now

session = botocore.session.Session()


@functools.cache
def client(endpoint, region, style, access_key, secret_key, token):
    s3 = {"addressing_style": style, "us_east_1_regional_endpoint": "regional"}
    return session.create_client(
        "s3",
        region_name=region,
        endpoint_url=endpoint,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        aws_session_token=token,
        config=Config(signature_version="s3v4", s3=s3),
    )


def presigned_url(s3, case):
    signer = s3._request_signer
    sign = type(signer).generate_presigned_url

    def with_operation(request_dict, **options):
        if case["x_id"]:
            separator = "&" if "?" in request_dict["url"] else "?"
            request_dict["url"] += f"{separator}x-id={case['x_id']}"
        return sign(signer, request_dict=request_dict, **options)

    signer.generate_presigned_url = with_operation
    return s3.generate_presigned_url(
        case["operation"], Params=case["params"], ExpiresIn=case["expires"]
    )


def presigned_post(s3, case):
    post = s3.generate_presigned_post(
        case["bucket"],
        case["key"],
        Fields=case["fields"],
        Conditions=case["conditions"],
        ExpiresIn=case["expires"],
    )
    credentials = s3._request_signer._credentials
    auth = botocore.auth.S3SigV4PostAuth(credentials, "s3", case["region"])
    request = botocore.awsrequest.AWSRequest()
    request.context["timestamp"] = now.strftime("%Y%m%dT%H%M%SZ")
    return post | {"signature": auth.signature(case["policy"], request)}


def listed(s3, case):
    """The keys of a listing to its end, or the name of what botocore raises."""
    keys = []
    pages = s3.get_paginator("list_objects_v2")
    try:
        for page in pages.paginate(Bucket=case["bucket"], Prefix=case["list"]):
            keys += [content["Key"] for content in page.get("Contents", [])]
    except Exception as error:
        return {"error": type(error).__name__}
    return keys


def answer(s3, case):
    if "list" in case:
        return listed(s3, case)
    if "fields" in case:
        return presigned_post(s3, case)
    return presigned_url(s3, case)


for line in sys.stdin:
    case = json.loads(line)
    now = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=case["signed_at"])
    place = ("endpoint", "region", "style", "access_key", "secret_key", "token")
    s3 = client(*(case[name] for name in place))
    print(json.dumps(answer(s3, case)))
